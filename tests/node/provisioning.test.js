// The official SDK for Node registers with the simulated Device Provisioning Service; its service client enrols.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHmac, randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';

import { BOUND, Device, Simulator, bodies } from './simulator.js';

const run = promisify(execFile);
const program = (name) => fileURLToPath(new URL(name, import.meta.url));

let simulator;
before(async () => (simulator = await Simulator.start()));
after(() => simulator.stop());

const newId = (kind) => `${kind}${randomBytes(6).toString('hex')}`;
const ask = (method, path, body) => simulator.ask(method, `/control/dps${path}`, body);

async function enroll(terms = {}) {
  const registrationId = newId('r');
  const attestation = { type: 'symmetricKey' };
  await ask('PUT', `/enrollments/${registrationId}`, { registrationId, attestation, ...terms });
  return registrationId;
}

async function key(registrationId) {
  return (await ask('GET', `/enrollments/${registrationId}/keys`)).primaryKey;
}

/** Runs a program of the SDK's user with the simulator's authority trusted. */
async function answer(name, request) {
  const env = { ...process.env, NODE_EXTRA_CA_CERTS: simulator.ready.caFile };
  const { stdout } = await run(process.execPath, [program(name), JSON.stringify(request)], { env, timeout: BOUND });
  return JSON.parse(stdout);
}

function register(transport, registrationId, more) {
  const { provisioningHost: host, idScope: scope } = simulator.ready;
  return answer('registrant.js', { host, scope, transport, registrationId, ...more });
}

async function heard(deviceId) {
  const device = new Device(simulator, { deviceId, connectionString: '', modules: [] });
  return bodies(await device.events(1));
}

for (const transport of ['mqtt', 'websocket', 'http']) {
  describe(`over ${transport}`, () => {
    test('a device registers with its key and connects', async () => {
      const device = await enroll({ deviceId: newId('pump') });
      const assigned = await register(transport, device, { key: await key(device), hello: 'hello' });
      assert.equal(assigned.error, undefined, assigned.message);
      assert.equal(assigned.assignedHub, simulator.host);
      assert.match(assigned.deviceId, /^pump/);
      assert.deepEqual(await heard(assigned.deviceId), ['hello']);
    });

    test('a device of a group registers with its derived key', async () => {
      const enrollmentGroupId = newId('g');
      await ask('PUT', `/groups/${enrollmentGroupId}`, { enrollmentGroupId, attestation: { type: 'symmetricKey' } });
      const { primaryKey } = await ask('GET', `/groups/${enrollmentGroupId}/keys`);
      const device = newId('r');
      const derived = createHmac('sha256', Buffer.from(primaryKey, 'base64')).update(device).digest('base64');
      const assigned = await register(transport, device, { key: derived, payload: { modelId: 'dtmi:cow:Pump;1' } });
      assert.equal(assigned.deviceId, device, assigned.message);
    });

    test('a wrong key is refused', async () => {
      const [device, other] = [await enroll(), await enroll()];
      const refused = await register(transport, device, { key: await key(other) });
      assert.equal(refused.error, 'UnauthorizedError', JSON.stringify(refused));
    });

    test('an unknown device is refused', async () => {
      const refused = await register(transport, newId('r'), { key: randomBytes(32).toString('base64') });
      assert.match(refused.error, /^(UnauthorizedError|DeviceNotFoundError)$/, JSON.stringify(refused));
    });

    test('a disabled device is refused', async () => {
      const device = await enroll({ provisioningStatus: 'disabled' });
      const refused = await register(transport, device, { key: await key(device) });
      assert.ok(refused.error, JSON.stringify(refused));
    });
  });
}

test('the service client enrols, changes, lists and removes', async () => {
  const connectionString = simulator.ready.provisioningServiceConnectionString;
  const prefix = newId('e');
  const seen = await answer('enroller.js', { connectionString, prefix });
  assert.equal(seen.made.registrationId, `${prefix}-1`);
  assert.equal(seen.changed.provisioningStatus, 'disabled');
  assert.notEqual(seen.changed.etag, seen.made.etag);
  assert.match(seen.conflict, /PreconditionFailed|InvalidEtag|Error/);
  assert.notEqual(seen.conflict, 'done');
  assert.equal(seen.bulk.isSuccessful, true);
  assert.equal(Buffer.from(seen.mechanism.symmetricKey.primaryKey, 'base64').length, 64);
  const listed = seen.pages.flat().map(({ registrationId }) => registrationId);
  assert.ok([1, 2, 3].every((number) => listed.includes(`${prefix}-${number}`)), JSON.stringify(listed));
  assert.ok(seen.pages.length > 1 && seen.pages.every((page) => page.length <= 2));
  assert.ok(seen.groups.flat().some(({ enrollmentGroupId }) => enrollmentGroupId === seen.group.enrollmentGroupId));
  assert.notEqual(seen.gone, 'done');
});
