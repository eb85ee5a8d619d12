// The official service SDK for Node administers the simulated hub, as a back end does.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';

import { TRANSPORTS, fromConnectionString, onMethod } from './sdk.js';
import { BOUND, Simulator } from './simulator.js';

const run = promisify(execFile);
const program = fileURLToPath(new URL('operator.js', import.meta.url));

let simulator;
before(async () => (simulator = await Simulator.start()));
after(() => simulator.stop());

const newId = () => `s${randomBytes(6).toString('hex')}`;

/** Runs a back end's program, as the owner of the hub if nobody else is named, with the simulator's authority trusted. */
async function operate(scenario, given = {}, policy = 'iothubowner') {
  const connectionString = simulator.ready.policyConnectionStrings[policy];
  const env = { ...process.env, NODE_EXTRA_CA_CERTS: simulator.ready.caFile };
  const request = JSON.stringify({ connectionString, scenario, prefix: newId(), ...given });
  const { stdout } = await run(process.execPath, [program, request], { env, timeout: 2 * BOUND });
  return JSON.parse(stdout);
}

test('devices are made, changed, listed and removed', async () => {
  const seen = await operate('devices');
  assert.equal(seen.made.status, 'enabled');
  assert.equal(Buffer.from(seen.made.authentication.symmetricKey.primaryKey, 'base64').length, 32);
  assert.equal(seen.again, 'DeviceAlreadyExistsError');
  assert.deepEqual([seen.changed.status, seen.changed.statusReason], ['disabled', 'frost']);
  assert.deepEqual(seen.changed.authentication, seen.made.authentication);
  assert.equal(seen.kept.etag, seen.changed.etag);
  assert.ok(seen.listed.includes(seen.made.deviceId));
  const { totalDeviceCount, enabledDeviceCount, disabledDeviceCount } = seen.statistics;
  assert.equal(totalDeviceCount, enabledDeviceCount + disabledDeviceCount);
  assert.equal(seen.gone, 'DeviceNotFoundError');
  assert.equal(seen.refused, 'ArgumentError');
});

test('many devices are made, changed and removed at once', async () => {
  const done = { isSuccessful: true, errors: [], warnings: [] };
  const seen = await operate('bulk');
  assert.deepEqual([seen.added, seen.updated, seen.matched, seen.removed], [done, done, done, done]);
  assert.deepEqual([seen.again.isSuccessful, seen.again.errors[0].errorCode], [false, 'DeviceAlreadyExists']);
  assert.deepEqual([seen.stale.isSuccessful, seen.stale.errors[0].errorCode], [false, 'PreconditionFailed']);
  assert.equal(seen.status, 'disabled');
  assert.equal(seen.gone, 'DeviceNotFoundError');
});

test('modules are made, changed, listed and removed', async () => {
  const seen = await operate('modules');
  assert.equal(seen.made.moduleId, 'sensor');
  // The SDK has no names for modules: it knows the one by its status, and the other not at all.
  assert.equal(seen.again, 'DeviceAlreadyExistsError');
  assert.equal(seen.changed.managedBy, 'me');
  assert.equal(seen.stale, 'InvalidEtagError');
  assert.equal(seen.read.etag, seen.changed.etag);
  assert.deepEqual(seen.listed, ['sensor']);
  assert.equal(seen.gone, 'Error');
});

test('twins are read and patched', async () => {
  const seen = await operate('twins');
  assert.deepEqual(seen.patched.tags, { site: 'north' });
  assert.equal(seen.patched.properties.desired.interval, 10);
  assert.equal(seen.stale, 'InvalidEtagError');
  assert.deepEqual(seen.forced.tags, { site: 'north', row: 2 });
  assert.equal(seen.module.properties.desired.unit, 'mm');
  assert.equal(seen.missing, 'DeviceNotFoundError');
  assert.equal(seen.wrong, 'ArgumentError');
});

test('configurations are made, changed and removed, and one device is deployed to', async () => {
  const { id: edge } = await simulator.addDevice({ edge: true });
  const seen = await operate('configurations', { edge });
  assert.deepEqual([seen.made.priority, seen.changed.priority, seen.forced.priority], [10, 11, 12]);
  assert.equal(seen.heated.properties.desired.heating, true);
  assert.deepEqual(seen.heated.configurations, { [seen.made.id]: { status: 'Applied' } });
  assert.equal(seen.counted.systemMetrics.results.appliedCount, 1);
  assert.equal(seen.cold.properties.desired.heating, undefined);
  assert.equal(seen.stale, 'InvalidEtagError');
  assert.ok(seen.listed.includes(seen.made.id));
  // The SDK has no name for it.
  assert.equal(seen.gone, 'Error');
  assert.equal(seen.sensor.properties.desired.interval, 5);
});

test('methods are answered by devices and modules', async (t) => {
  const device = await simulator.addDevice({ modules: ['sensor'] });
  for (const string of [device.connectionString, device.modules.sensor.connectionString]) {
    const client = await fromConnectionString(t, simulator, TRANSPORTS.MQTT, string);
    await client.open();
    onMethod(client, 'restart', (argument) => [201, { argument }]);
  }
  const seen = await operate('methods', { deviceId: device.id, moduleId: 'sensor' });
  const answer = { status: 201, payload: { argument: { delay: 1 } } };
  assert.deepEqual([seen.device, seen.module], [answer, answer]);
  assert.equal(seen.nobody, 'DeviceNotFoundError');
  assert.equal(seen.refused, 'ArgumentError');
});

for (const [policy, read, write, connect] of [
  ['iothubowner', true, true, true],
  ['registryReadWrite', true, true, false],
  ['registryRead', true, false, false],
  ['service', false, false, true],
  ['device', false, false, false],
]) {
  test(`${policy} allows what it is for`, async () => {
    const { id: deviceId } = await simulator.addDevice();
    const as = (allowed) => (allowed ? 'done' : 'UnauthorizedError');
    const expected = { read: as(read), write: as(write), connect: as(connect) };
    assert.deepEqual(await operate('rights', { deviceId }, policy), expected);
  });
}
