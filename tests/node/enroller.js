// A back end's own program with the SDK's service client: enrols, reads, changes, lists and removes.
//
// A process of its own, because that client takes its authorities from NODE_EXTRA_CA_CERTS only. Prints one JSON line.

import azureProvisioningService from 'azure-iot-provisioning-service';

const { connectionString, prefix } = JSON.parse(process.argv[2]);
const service = azureProvisioningService.ProvisioningServiceClient.fromConnectionString(connectionString);
const attestation = { type: 'symmetricKey' };

async function all(query) {
  const pages = [];
  do {
    // Without the token, the SDK's promise asks for the first page again.
    const { responseBody } = await query.next(query.continuationToken);
    pages.push(responseBody);
  } while (query.hasMoreResults);
  return pages;
}

async function attempt(action) {
  try {
    await action();
    return 'done';
  } catch (error) {
    return error.name;
  }
}

/** Of this call the SDK settles the promise only for those who give it a callback as well. */
function bulkOperation(operation) {
  return new Promise((resolve, reject) => {
    service.runBulkEnrollmentOperation(operation, (error, result) => (error ? reject(error) : resolve(result)));
  });
}

const body = async (promise) => (await promise).responseBody;

const ids = [1, 2, 3].map((number) => `${prefix}-${number}`);
const made = await body(service.createOrUpdateIndividualEnrollment({ registrationId: ids[0], attestation }));
const stale = { ...made };
const changed = await body(
  service.createOrUpdateIndividualEnrollment({ ...made, provisioningStatus: 'disabled' }),
);
const conflict = await attempt(() => service.createOrUpdateIndividualEnrollment(stale));
const bulk = await bulkOperation({
  mode: 'create',
  enrollments: ids.slice(1).map((registrationId) => ({ registrationId, attestation })),
});
const mechanism = await body(service.getIndividualEnrollmentAttestationMechanism(ids[0]));
const query = { query: 'SELECT * FROM enrollments' };
const pages = await all(service.createIndividualEnrollmentQuery(query, 2));
const group = await body(
  service.createOrUpdateEnrollmentGroup({ enrollmentGroupId: `${prefix}-group`, attestation }),
);
const groups = await all(service.createEnrollmentGroupQuery({ query: 'SELECT * FROM enrollmentGroups' }, 100));
await service.deleteIndividualEnrollment(changed);
const gone = await attempt(() => service.getIndividualEnrollment(ids[0]));
await service.deleteEnrollmentGroup(group);

const answer = { made, changed, conflict, bulk, mechanism, pages, group, groups, gone };
process.stdout.write(`${JSON.stringify(answer)}\n`);
