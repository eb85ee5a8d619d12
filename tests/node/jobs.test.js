// The official service SDK for Node schedules jobs at the simulated hub, and moves devices through blobs.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';

import { TRANSPORTS, fromConnectionString, onMethod } from './sdk.js';
import { BOUND, Simulator } from './simulator.js';

const run = promisify(execFile);
const program = fileURLToPath(new URL('scheduler.js', import.meta.url));

let simulator;
before(async () => (simulator = await Simulator.start()));
after(() => simulator.stop());

const newId = () => `s${randomBytes(6).toString('hex')}`;

/** Runs a back end's program, as the owner of the hub if nobody else is named, with the simulator's authority trusted. */
async function schedule(scenario, given = {}, policy = 'iothubowner') {
  const connectionString = simulator.ready.policyConnectionStrings[policy];
  const env = { ...process.env, NODE_EXTRA_CA_CERTS: simulator.ready.caFile };
  const request = JSON.stringify({ connectionString, scenario, prefix: newId(), ...given });
  const { stdout } = await run(process.execPath, [program, request], { env, timeout: 2 * BOUND });
  return JSON.parse(stdout);
}

/** Two devices, and the condition that names them. */
async function pair() {
  const devices = [await simulator.addDevice(), await simulator.addDevice()];
  const condition = `deviceId IN ['${devices[0].id}', '${devices[1].id}']`;
  return { devices, condition };
}

async function container() {
  const { sasUri } = await simulator.ask('POST', `/control/blobs/containers/${newId()}`);
  return sasUri;
}

test('twins are patched', async () => {
  const { devices, condition } = await pair();
  const { made, done, runs } = await schedule('twins', { condition });
  assert.deepEqual([made.type, made.status], ['scheduleUpdateTwin', 'queued']);
  assert.equal(done.status, 'completed');
  const { deviceCount, succeededCount, failedCount } = done.deviceJobStatistics;
  assert.deepEqual([deviceCount, succeededCount, failedCount], [2, 2, 0]);
  const ids = devices.map(({ id }) => id).sort();
  assert.deepEqual(runs.map(({ deviceId }) => deviceId), ids);
  for (const id of ids) {
    const twin = await simulator.ask('GET', `/control/twins/${id}`);
    assert.deepEqual([twin.tags.floor, twin.properties.desired.interval], [3, 10]);
  }
});

test('methods are called', async (t) => {
  const { devices, condition } = await pair();
  const client = await fromConnectionString(t, simulator, TRANSPORTS.MQTT, devices[0].connectionString);
  await client.open();
  onMethod(client, 'restart', (argument) => [201, { argument }]);
  const { done, runs } = await schedule('methods', { condition });
  assert.equal(done.status, 'completed');
  const of = (device) => runs.find(({ deviceId }) => deviceId === device.id);
  const answer = { status: 201, payload: { argument: { delay: 1 } } };
  assert.deepEqual(of(devices[0]).outcome.deviceMethodResponse, answer);
  assert.deepEqual([of(devices[1]).status, of(devices[1]).error.code], ['failed', 'DeviceNotOnline']);
});

test('jobs are listed page by page, and cancelled', async () => {
  const { condition } = await pair();
  const prefix = newId();
  const { planned, pages, cancelled, all } = await schedule('lists', { condition, prefix });
  assert.equal(planned.status, 'scheduled');
  assert.ok(pages.every((page) => page.length <= 2));
  const own = pages.flat().filter((id) => id.startsWith(prefix));
  assert.deepEqual(own, [1, 2, 3].map((number) => `${prefix}-${number}`));
  assert.equal(cancelled.status, 'cancelled');
  assert.ok(all.some(({ jobId, status }) => jobId === `${prefix}-4` && status === 'cancelled'));
});

test('a job that cannot be is refused', async () => {
  const { condition } = await pair();
  assert.deepEqual(await schedule('mistakes', { condition }), {
    taken: 'DeviceAlreadyExistsError',
    condition: 'ArgumentError',
    far: 'ArgumentError',
    past: 'done',
    stale: 'InvalidEtagError',
    timeout: 'ArgumentError',
    // The SDK has no name for it.
    unknown: 'Error',
    cancelled: 'Error',
    moved: 'Error',
  });
});

test('devices are exported and imported', async () => {
  const device = await simulator.addDevice();
  const seen = await schedule('blobs', { uri: await container(), deviceId: device.id });
  assert.deepEqual([seen.made.type, seen.made.status], ['export', 'enqueued']);
  assert.deepEqual([seen.exported.status, seen.exported.progress], ['completed', 100]);
  assert.ok(seen.listed.includes(seen.made.jobId));
  assert.deepEqual([seen.back.type, seen.back.status], ['import', 'completed']);
  // With the key it had before it was removed.
  assert.ok(device.connectionString.includes(seen.device.authentication.symmetricKey.primaryKey));
  assert.equal(seen.cancelled, 'done');
});

for (const [policy, read, write] of [
  ['iothubowner', true, true],
  ['registryReadWrite', true, true],
  ['registryRead', true, false],
  ['service', false, false],
  ['device', false, false],
]) {
  test(`${policy} allows what it is for`, async () => {
    const as = (allowed) => (allowed ? 'done' : 'UnauthorizedError');
    const expected = { read: as(read), list: as(read), schedule: as(write), move: as(write) };
    assert.deepEqual(await schedule('rights', { uri: await container() }, policy), expected);
  });
}
