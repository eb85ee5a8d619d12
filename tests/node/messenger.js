// A back end's own program with the SDK's service client: sends messages to devices and calls methods.
//
// A process of its own, because that client takes its authorities from NODE_EXTRA_CA_CERTS only. Prints one JSON line.

import azureCommon from 'azure-iot-common';
import azureIothub from 'azure-iothub';

const { connectionString, transport, deviceId, nobody } = JSON.parse(process.argv[2]);
const client = azureIothub.Client.fromConnectionString(connectionString, azureIothub[transport]);
client.setRetryPolicy(new azureCommon.NoRetry());

/** What an application sees of an action that fails. */
async function fault(action) {
  try {
    await action();
    return 'done';
  } catch (error) {
    // A connection that is refused has its cause below.
    return error.amqpError?.name ?? error.name;
  }
}

function message() {
  const made = new azureCommon.Message('open the gate');
  made.messageId = 'id 1';
  made.correlationId = 'request 7';
  made.contentType = 'text/plain';
  made.expiryTimeUtc = Date.now() + 60_000;
  made.properties.add('lane', '3');
  return made;
}

const seen = { opened: await fault(() => client.open()) };
if (seen.opened === 'done') seen.sent = await fault(() => client.send(deviceId, message()));
if (seen.sent === 'done') {
  seen.unknown = await fault(() => client.send(nobody, 'to nobody'));
  seen.large = await fault(() => client.send(deviceId, 'x'.repeat((64 << 10) + 1)));
  seen.again = await fault(() => client.send(deviceId, 'the second'));
  const { result } = await client.invokeDeviceMethod(deviceId, { methodName: 'lift', payload: { to: 90 } });
  seen.lifted = result;
  seen.notThere = await fault(() => client.invokeDeviceMethod(nobody, { methodName: 'lift', payload: {} }));
  seen.closed = await fault(() => client.close());
}
console.log(JSON.stringify(seen));
process.exit();
