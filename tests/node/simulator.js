// A simulator of this product as a test uses it: started as its user starts it, watched through its control API.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

// Longer than anything here takes on a busy machine, and short enough to wait for when something never comes.
export const BOUND = 20_000;

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));
export const DEPLOYMENT = `${REPOSITORY}tests/edge.deployment.json`;

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until `condition` answers something true, and returns it. */
export async function until(what, condition, within = BOUND) {
  const deadline = Date.now() + within;
  for (;;) {
    const found = await condition();
    if (found) return found;
    assert.ok(Date.now() < deadline, `${what}: not within ${within} ms`);
    await pause(10);
  }
}

/** The promise's value, or a failure that names what was waited for. */
export async function bounded(what, promise, within = BOUND) {
  let timer;
  const late = new Promise((_, reject) => {
    const message = `${what}: not within ${within} ms`;
    timer = setTimeout(() => reject(new assert.AssertionError({ message })), within);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Things that arrive, in order. */
export class Arrivals {
  #what;
  #arrived = [];
  #waiting = [];

  constructor(what) {
    this.#what = what;
  }

  put = (thing) => {
    const waiting = this.#waiting.shift();
    if (waiting) waiting(thing);
    else this.#arrived.push(thing);
  };

  next() {
    if (this.#arrived.length) return Promise.resolve(this.#arrived.shift());
    return bounded(`a ${this.#what}`, new Promise((resolve) => this.#waiting.push(resolve)));
  }

  async take(count) {
    const taken = [];
    while (taken.length < count) taken.push(await this.next());
    return taken;
  }

  async until(wanted) {
    for (;;) {
      const thing = await this.next();
      if (wanted(thing)) return thing;
    }
  }
}

function isFree(address, port) {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error) => (error.code === 'EADDRINUSE' ? resolve(false) : reject(error)));
    server.listen(port, address, () => server.close(() => resolve(true)));
  });
}

/** A loopback address on which nobody has the ports the SDKs insist on. */
async function freeAddress() {
  for (let attempt = 0; attempt < 40; attempt++) {
    const address = `127.0.0.${randomInt(2, 251)}`;
    const free = await Promise.all([8883, 443, 5671, 8080].map((port) => isFree(address, port)));
    if (free.every(Boolean)) return address;
  }
  throw new Error('no loopback address has the ports 8883, 443, 5671 and 8080 free');
}

export class Refused extends Error {
  constructor(status, error) {
    super(`${status}: ${error.message}`);
    this.status = status;
    this.code = error.code;
  }
}

export class Simulator {
  static async start(...more) {
    const machine = { x64: 'x86_64', arm64: 'aarch64' }[process.arch];
    const cow = process.env.COW ?? `${REPOSITORY}target/${machine}-unknown-linux-gnu/release/cow`;
    assert.ok(existsSync(cow), `${cow} is missing: run \`cargo build --release\`, or name another with COW`);
    const simulator = new Simulator();
    const args = ['sim', '--json', '--address', await freeAddress(), ...more];
    simulator.process = spawn(cow, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    simulator.log = '';
    simulator.process.stderr.setEncoding('utf8').on('data', (text) => (simulator.log += text));
    const lines = createInterface({ input: simulator.process.stdout });
    const ended = once(simulator.process, 'exit').then(() => [null]);
    const [line] = await bounded('the simulator is ready', Promise.race([once(lines, 'line'), ended]));
    assert.ok(line, `the simulator ended:\n${simulator.log}`);
    simulator.ready = JSON.parse(line);
    simulator.host = simulator.ready.hubHostName;
    simulator.ca = readFileSync(simulator.ready.caFile, 'utf8');
    return simulator;
  }

  /** As Ctrl-C does. */
  async stop() {
    const ended = once(this.process, 'exit');
    this.process.kill('SIGINT');
    const [code] = await bounded('the simulator stops', ended);
    assert.equal(code, 0, this.log);
    assert.doesNotMatch(this.log, / ERROR /);
  }

  async ask(method, path, body) {
    const response = await fetch(this.ready.control + path, {
      method,
      headers: body === undefined ? {} : { 'content-type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await response.text();
    const answer = text ? JSON.parse(text) : undefined;
    if (!response.ok) throw new Refused(response.status, answer.error);
    return answer;
  }

  async addDevice({ edge = false, modules = [] } = {}) {
    const deviceId = `d${randomBytes(6).toString('hex')}`;
    return new Device(this, await this.ask('POST', '/control/devices', { deviceId, edge, modules }));
  }
}

/** A device at the simulated hub, from the service's side. */
export class Device {
  constructor(simulator, credentials) {
    this.simulator = simulator;
    this.id = credentials.deviceId;
    this.connectionString = credentials.connectionString;
    this.modules = Object.fromEntries(credentials.modules.map((module) => [module.moduleId, module]));
  }

  #path(kind, module) {
    return `/control/${kind}/${this.id}${module ? `/modules/${module}` : ''}`;
  }

  route(routes) {
    const desired = { schemaVersion: '1.1', routes, storeAndForwardConfiguration: { timeToLiveSecs: 7200 } };
    const modulesContent = { $edgeHub: { 'properties.desired': desired } };
    return this.simulator.ask('POST', `/control/devices/${this.id}/deployment`, { modulesContent });
  }

  desire(desired, module) {
    return this.simulator.ask('PATCH', this.#path('twins', module), { desired });
  }

  /** Reported properties without what the hub adds to them. */
  async reported(module) {
    const { properties } = await this.simulator.ask('GET', this.#path('twins', module));
    return Object.fromEntries(Object.entries(properties.reported).filter(([name]) => !name.startsWith('$')));
  }

  invoke(methodName, payload, { module, connect = 0, response = 10 } = {}) {
    const request = { methodName, payload, connectTimeoutInSeconds: connect, responseTimeoutInSeconds: response };
    return this.simulator.ask('POST', this.#path('methods', module), request);
  }

  async send(body, properties = {}) {
    const answer = await this.simulator.ask('POST', `/control/messages/${this.id}`, { body, properties });
    return answer.messageId;
  }

  enable(enabled) {
    return this.simulator.ask('PATCH', `/control/devices/${this.id}`, { enabled });
  }

  remove() {
    return this.simulator.ask('DELETE', `/control/devices/${this.id}`);
  }

  /** What the simulator sees happen to this device's, or one module's, connections from here on. */
  async connections(t, module) {
    const arrived = new Arrivals('change of the connection');
    const watching = new AbortController();
    t.after(() => watching.abort());
    const response = await fetch(`${this.simulator.ready.control}/control/trace`, { signal: watching.signal });
    const follow = async () => {
      let text = '';
      for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
        const lines = (text + chunk).split('\n');
        text = lines.pop();
        for (const line of lines.filter((line) => line.startsWith('data: {'))) {
          const seen = JSON.parse(line.slice('data: '.length));
          if (seen.kind === 'connection' && seen.deviceId === this.id && seen.moduleId === module) arrived.put(seen);
        }
      }
    };
    // It ends when the test does.
    follow().catch(() => {});
    return arrived;
  }

  pull(levers, module) {
    const target = { deviceId: this.id, ...(module && { moduleId: module }) };
    return this.simulator.ask('POST', '/control/levers', { target, ...levers });
  }

  async isConnected(module) {
    const devices = await this.simulator.ask('GET', '/control/devices');
    const device = devices.find((device) => device.deviceId === this.id);
    return module ? device.modules.find(({ moduleId }) => moduleId === module).connected : device.connected;
  }

  untilConnected(connected = true, module) {
    const what = `${this.id} ${module ?? ''} connected: ${connected}`;
    return until(what, async () => (await this.isConnected(module)) === connected);
  }

  /** Every event of this device at the hub, oldest first. */
  async soFar() {
    const url = `${this.simulator.ready.control}/control/events?device=${this.id}&from=earliest&follow=false`;
    const text = await (await fetch(url)).text();
    return text.split('\n').filter(Boolean).map((line) => JSON.parse(line));
  }

  /** The events of this device once there are `count`. */
  async events(count) {
    return until(`${count} events`, async () => {
      const events = await this.soFar();
      return events.length >= count && events;
    });
  }
}

export const bodies = (events) => events.map(({ body }) => body);
