// A back end's own program with the SDK's service client: hears what became of its messages, and of files.
//
// A process of its own, because that client takes its authorities from NODE_EXTRA_CA_CERTS only. Prints one JSON line for
// each thing that it hears.

import { once } from 'node:events';

import azureCommon from 'azure-iot-common';
import azureIothub from 'azure-iothub';

const { connectionString, transport, deviceId, scenario } = JSON.parse(process.argv[2]);
const client = azureIothub.Client.fromConnectionString(connectionString, azureIothub[transport]);
client.setRetryPolicy(new azureCommon.NoRetry());

const say = (what) => console.log(JSON.stringify(what));
const bodyOf = (message) => JSON.parse(message.getData().toString());

function message(messageId, more = {}) {
  return Object.assign(new azureCommon.Message('hello'), { messageId, ack: 'full', ...more });
}

const scenarios = {
  async feedback() {
    const { result: receiver } = await client.getFeedbackReceiver();
    const arrived = [];
    let wake = () => {};
    receiver.on('message', (message) => {
      arrived.push(message);
      wake();
    });
    const next = async () => {
      if (!arrived.length) await new Promise((resolve) => (wake = resolve));
      return arrived.shift();
    };
    await client.send(deviceId, message('late', { expiryTimeUtc: Date.now() - 1000 }));
    const first = await next();
    say({ contentType: first.contentType, records: bodyOf(first) });
    // The SDK has accepted it by itself already, so that `abandon` would come too late.
    await receiver.complete(first);
    await client.send(deviceId, message('taken'));
    const last = await next();
    say({ records: bodyOf(last) });
    await receiver.complete(last);
  },

  async files() {
    const { result: receiver } = await client.getFileNotificationReceiver();
    const arrived = once(receiver, 'message');
    say({ ready: true });
    const [notification] = await arrived;
    say(bodyOf(notification));
    await receiver.complete(notification);
  },
};

await client.open();
await scenarios[scenario]();
await client.close();
process.exit();
