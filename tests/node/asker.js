// A back end's own program with the SDK's service client: asks for twins, page after page.
//
// A process of its own, because that client takes its authorities from NODE_EXTRA_CA_CERTS only. Prints one JSON line.

import azureIotHub from 'azure-iothub';

const { connectionString, text, size, raw } = JSON.parse(process.argv[2]);
const query = azureIotHub.Registry.fromConnectionString(connectionString).createQuery(text, size);
const pages = [];
let error;
try {
  do {
    // `next` keeps no token of its own for those who wait for its promise; `nextAsTwin` does.
    const { result, message } = raw ? await query.next(query.continuationToken) : await query.nextAsTwin();
    const items = raw ? result : result.map((twin) => twin.toJSON());
    pages.push({ type: message.headers['x-ms-item-type'], items });
  } while (query.hasMoreResults);
} catch ({ name, message }) {
  error = { name, message };
}
process.stdout.write(`${JSON.stringify({ pages, error })}\n`);
