// A back end hears what became of its messages, and of files that devices uploaded, with the official service SDK for
// Node over AMQP.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { TRANSPORTS, fromConnectionString, messages } from './sdk.js';
import { BOUND, Arrivals, Simulator, bounded } from './simulator.js';

const run = promisify(execFile);
const here = (name) => fileURLToPath(new URL(name, import.meta.url));

let simulator;
before(async () => (simulator = await Simulator.start()));
after(() => simulator.stop());

const trusting = () => ({ ...process.env, NODE_EXTRA_CA_CERTS: simulator.ready.caFile });

/** Starts a back end's program; what it says arrives in order. */
function listen(t, given) {
  const connectionString = simulator.ready.policyConnectionStrings.service;
  const request = JSON.stringify({ connectionString, ...given });
  const program = spawn(process.execPath, [here('listener.js'), request], {
    env: trusting(),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(program, 'exit');
  t.after(() => program.kill());
  const said = new Arrivals('line of the back end');
  createInterface({ input: program.stdout }).on('line', (line) => said.put(JSON.parse(line)));
  return { said, ended };
}

for (const transport of ['Amqp', 'AmqpWs']) {
  test(`a sender hears what became of its messages by ${transport}`, async (t) => {
    const device = await simulator.addDevice();
    const { said, ended } = listen(t, { transport, deviceId: device.id, scenario: 'feedback' });
    const first = await said.next();
    assert.equal(first.contentType, 'application/vnd.microsoft.iothub.feedback.json');
    const [record] = first.records;
    assert.deepEqual(
      [record.originalMessageId, record.deviceId, record.statusCode, record.description],
      ['late', device.id, 'Expired', 'Expired'],
    );
    assert.ok(!Number.isNaN(Date.parse(record.enqueuedTimeUtc)));
    const client = await fromConnectionString(t, simulator, TRANSPORTS.MQTT, device.connectionString);
    await client.open();
    const arrived = messages(client);
    assert.equal((await arrived.next()).messageId, 'taken');
    const [taken] = (await said.next()).records;
    assert.deepEqual([taken.originalMessageId, taken.statusCode], ['taken', 'Success']);
    assert.deepEqual(await bounded('the back end ends', ended), [0, null]);
  });
}

test('a back end hears of a file', async (t) => {
  const device = await simulator.addDevice();
  const { said, ended } = listen(t, { transport: 'Amqp', scenario: 'files' });
  assert.deepEqual(await said.next(), { ready: true });
  const { connectionString } = device;
  const request = JSON.stringify({ connectionString, scenario: 'byHand', size: 70_000 });
  await run(process.execPath, [here('uploader.js'), request], { env: trusting(), timeout: 2 * BOUND });
  const notification = await said.next();
  assert.deepEqual(
    [notification.deviceId, notification.blobName, notification.blobSizeInBytes],
    [device.id, `${device.id}/by hand.bin`, 70_000],
  );
  assert.equal(notification.blobUri, `https://${simulator.host}/blob/uploads/${device.id}/by%20hand.bin`);
  assert.deepEqual(await bounded('the back end ends', ended), [0, null]);
});
