// A back end sends messages to devices with the official service SDK for Node, over AMQP.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { TRANSPORTS, fromConnectionString, messages, onMethod } from './sdk.js';
import { BOUND, Simulator } from './simulator.js';

const run = promisify(execFile);
const program = fileURLToPath(new URL('messenger.js', import.meta.url));

let simulator;
before(async () => (simulator = await Simulator.start()));
after(() => simulator.stop());

async function converse(given) {
  const env = { ...process.env, NODE_EXTRA_CA_CERTS: simulator.ready.caFile };
  const { stdout } = await run(process.execPath, [program, JSON.stringify(given)], { env, timeout: 2 * BOUND });
  return JSON.parse(stdout);
}

for (const transport of ['Amqp', 'AmqpWs']) {
  test(`messages and methods reach a device by ${transport}`, async (t) => {
    const device = await simulator.addDevice();
    const client = await fromConnectionString(t, simulator, TRANSPORTS.AMQP, device.connectionString);
    await client.open();
    const arrived = messages(client);
    onMethod(client, 'lift', (payload) => [200, payload]);
    const connectionString = simulator.ready.policyConnectionStrings.service;
    const seen = await converse({ connectionString, transport, deviceId: device.id, nobody: `${device.id}-no` });
    assert.deepEqual(seen, {
      opened: 'done',
      sent: 'done',
      unknown: 'DeviceNotFoundError',
      large: 'MessageTooLargeError',
      again: 'done',
      lifted: { status: 200, payload: { to: 90 } },
      notThere: 'DeviceNotFoundError',
      closed: 'done',
    });
    const [first, second] = await arrived.take(2);
    assert.equal(first.getData().toString(), 'open the gate');
    assert.deepEqual([first.messageId, first.correlationId, first.contentType], ['id 1', 'request 7', 'text/plain']);
    assert.equal(first.properties.getValue('lane'), '3');
    assert.equal(second.getData().toString(), 'the second');
  });

  test(`only a policy that may sends by ${transport}`, async () => {
    const { id: deviceId } = await simulator.addDevice();
    const { service, registryRead, device } = simulator.ready.policyConnectionStrings;
    const refused = { opened: 'UnauthorizedError' };
    const wrongKey = service.replace(/SharedAccessKey=.*/, 'SharedAccessKey=AAAA');
    assert.deepEqual(await converse({ connectionString: wrongKey, transport, deviceId }), refused);
    assert.deepEqual(await converse({ connectionString: registryRead, transport, deviceId }), refused);
    const seen = await converse({ connectionString: device, transport, deviceId });
    assert.deepEqual([seen.opened, seen.sent], ['done', 'UnauthorizedError']);
  });
}
