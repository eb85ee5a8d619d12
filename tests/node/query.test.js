// The official service SDK for Node finds twins with queries.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';

import { BOUND, Simulator } from './simulator.js';

const run = promisify(execFile);
const program = fileURLToPath(new URL('asker.js', import.meta.url));
const IDS = ['bay-1', 'bay-2', 'bay-3', 'bay-4', 'bay-5'];

let simulator;
before(async () => {
  simulator = await Simulator.start();
  for (const [number, deviceId] of IDS.entries()) {
    await simulator.ask('POST', '/control/devices', { deviceId, edge: false, modules: ['light'] });
    const tags = { site: number < 3 ? 'north' : 'south' };
    await simulator.ask('PATCH', `/control/twins/${deviceId}`, { tags, desired: { interval: 10 * number } });
  }
});
after(() => simulator.stop());

/** What the SDK's user sees of a query, with the simulator's authority trusted. */
async function ask(text, { size, raw = false } = {}) {
  const { serviceConnectionString: connectionString, caFile } = simulator.ready;
  const env = { ...process.env, NODE_EXTRA_CA_CERTS: caFile };
  const request = JSON.stringify({ connectionString, text, size, raw });
  const { stdout } = await run(process.execPath, [program, request], { env, timeout: BOUND });
  return JSON.parse(stdout);
}

const ids = (pages) => pages.map(({ items }) => items.map(({ deviceId }) => deviceId));

test('twins come in pages', async () => {
  const { pages, error } = await ask('SELECT * FROM devices', { size: 2 });
  assert.equal(error, undefined);
  assert.deepEqual(ids(pages), [IDS.slice(0, 2), IDS.slice(2, 4), IDS.slice(4)]);
  assert.ok(pages.every(({ type }) => type === 'twin'));
  assert.equal(pages[0].items[1].properties.desired.interval, 10);
});

test('a condition chooses', async () => {
  const text = "SELECT * FROM devices WHERE tags.site = 'north' AND properties.desired.interval > 0";
  assert.deepEqual(ids((await ask(text)).pages), [['bay-2', 'bay-3']]);
  const modules = await ask("SELECT * FROM devices.modules WHERE deviceId IN ['bay-4', 'bay-2']");
  assert.deepEqual(ids(modules.pages), [['bay-2', 'bay-4']]);
  assert.deepEqual((await ask('SELECT * FROM devices WHERE tags.site = null')).pages[0].items, []);
});

test('projections and groups are raw', async () => {
  const projected = await ask('SELECT deviceId, tags.site FROM devices', { size: 3, raw: true });
  assert.deepEqual(projected.pages.map(({ items }) => items.length), [3, 2]);
  assert.deepEqual(projected.pages[1], {
    type: 'raw',
    items: [
      { deviceId: 'bay-4', site: 'south' },
      { deviceId: 'bay-5', site: 'south' },
    ],
  });
  const text = 'SELECT tags.site AS site, COUNT() AS n, MAX(properties.desired.interval) AS most FROM devices GROUP BY tags.site';
  const { pages } = await ask(text, { raw: true });
  assert.deepEqual(pages[0].items, [
    { site: 'north', n: 3, most: 20 },
    { site: 'south', n: 2, most: 40 },
  ]);
});

test('a mistake is an argument error that says what to write instead', async () => {
  const { pages, error } = await ask('SELECT * FROM devices WHERE tags.site LIKE "n%"');
  assert.deepEqual(pages, []);
  assert.equal(error.name, 'ArgumentError');
  assert.match(error.message, /1:39: `LIKE` does not belong here: write `STARTS_WITH/);
});
