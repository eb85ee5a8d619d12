// Modules with the official SDK for Node: from both environments, through routes, calling each other.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import {
  MQTT,
  Message,
  TRANSPORTS,
  arrivals,
  fromConnectionString,
  fromEnvironment,
  inputs,
  onMethod,
  report,
} from './sdk.js';
import { DEPLOYMENT, Device, Simulator, bodies, bounded } from './simulator.js';

const TO_HUB = 'FROM /messages/* INTO $upstream';
const TO_ALARM = 'FROM /messages/modules/sensor/outputs/distance INTO BrokeredEndpoint("/modules/alarm/inputs/near")';

let simulator;
before(async () => (simulator = await Simulator.start('--manifest', DEPLOYMENT)));
after(() => simulator.stop());

/** What development tools give a module that is not in a container. */
const toolEnvironment = (device, module) => ({
  EdgeHubConnectionString: device.modules[module].connectionString,
  EdgeModuleCACertificateFile: simulator.ready.caFile,
});

/** What the Edge runtime sets in a module's container. */
const runtimeEnvironment = (device, module) => ({
  IOTEDGE_WORKLOADURI: device.modules[module].workloadUri,
  IOTEDGE_GATEWAYHOSTNAME: simulator.ready.gatewayHostName,
  IOTEDGE_IOTHUBHOSTNAME: simulator.ready.hubHostName,
  IOTEDGE_DEVICEID: device.id,
  IOTEDGE_MODULEID: module,
  IOTEDGE_MODULEGENERATIONID: '1',
  IOTEDGE_AUTHSCHEME: 'sasToken',
  IOTEDGE_APIVERSION: '2022-08-03',
});

const text = ({ message }) => message.getData().toString();
const numbered = (count, from = 0) => Array.from({ length: count }, (_, number) => number + from);

for (const [name, transport] of Object.entries(TRANSPORTS)) {
  describe(`over ${name}`, () => {
    /** An edge device of this test's own, with its two modules. */
    async function edge(t, routes) {
      const device = await simulator.addDevice({ edge: true, modules: ['sensor', 'alarm'] });
      await device.route(routes);
      const open = async (module) => {
        const client = await fromEnvironment(t, transport, toolEnvironment(device, module));
        await client.open();
        return client;
      };
      return { device, sensor: await open('sensor'), alarm: await open('alarm') };
    }

    test('modules start from the environment of the runtime', async (t) => {
      const device = new Device(simulator, simulator.ready.devices[0]);
      const sensor = await fromEnvironment(t, transport, runtimeEnvironment(device, 'sensor'));
      const alarm = await fromEnvironment(t, transport, runtimeEnvironment(device, 'alarm'));
      await Promise.all([sensor.open(), alarm.open()]);
      assert.equal((await sensor.getTwin()).properties.desired.reportEverySeconds, 10);
      const arrived = inputs(alarm);
      await sensor.sendOutputEvent('distance', new Message(`from ${name}`));
      assert.equal(text(await arrived.next()), `from ${name}`);
      assert.ok(bodies(await device.events(1)).includes(`from ${name}`));
    });

    // Over AMQP a new token is no new connection: amqp.test.js has that.
    const renewing = name in MQTT ? test : () => {};
    renewing('the runtime signs a new token before the old one ends', async (t) => {
      const device = new Device(simulator, simulator.ready.devices[0]);
      const connections = await device.connections(t, 'alarm');
      const tokenRenewal = { tokenValidTimeInSeconds: 4, tokenRenewalMarginInSeconds: 2 };
      const options = { ca: simulator.ca, tokenRenewal };
      const alarm = await fromEnvironment(t, transport, runtimeEnvironment(device, 'alarm'), options);
      await alarm.open();
      onMethod(alarm, 'still', (payload) => [200, payload]);
      for (let renewed = 0; renewed < 2; renewed++) await connections.until(({ state }) => state === 'connected');
      const answer = await device.invoke('still', 'there', { module: 'alarm', connect: 10 });
      assert.deepEqual(answer, { status: 200, payload: 'there' });
    });

    test('a module of a plain device speaks to the hub', async (t) => {
      const device = await simulator.addDevice({ modules: ['m1'] });
      const client = await fromConnectionString(t, simulator, transport, device.modules.m1.connectionString);
      await client.open();
      await client.sendOutputEvent('out 1', new Message('hello'));
      const [event] = await device.events(1);
      assert.deepEqual([event.moduleId, event.body, event.systemProperties.outputName], ['m1', 'hello', 'out 1']);
      onMethod(client, 'echo', (payload) => [200, payload]);
      const answer = await device.invoke('echo', { a: 1 }, { module: 'm1', connect: 5 });
      assert.deepEqual(answer, { status: 200, payload: { a: 1 } });
    });

    test('an output reaches inputs and hub by routes, once and in order', async (t) => {
      const { device, sensor, alarm } = await edge(t, { near: TO_ALARM, up: TO_HUB });
      const arrived = inputs(alarm);
      for (const number of numbered(20)) {
        const message = new Message(`${number}`);
        message.properties.add('a b', 'c/d');
        await sensor.sendOutputEvent('distance', message);
      }
      await sensor.sendOutputEvent('elsewhere', new Message('20'));
      const taken = await arrived.take(20);
      assert.deepEqual(taken.map(text), numbered(20).map(String));
      assert.equal(taken[0].input, 'near');
      const properties = taken[0].message.properties;
      assert.equal(properties.getValue('a b'), 'c/d');
      const { message_annotations: annotations } = taken[0].message.transportObj ?? {};
      const sender = annotations
        ? [annotations['iothub-connection-device-id'], annotations['iothub-connection-module-id']]
        : [properties.getValue('$.cdid'), properties.getValue('$.cmid')];
      assert.deepEqual(sender, [device.id, 'sensor']);
      assert.deepEqual(bodies(await device.events(21)), numbered(21));
    });

    test('modules call each other', async (t) => {
      const { device, sensor, alarm } = await edge(t, {});
      onMethod(alarm, 'sound', (payload) => [418, { with: payload }]);
      const timeouts = { connectTimeoutInSeconds: 5, responseTimeoutInSeconds: 5 };
      const call = { methodName: 'sound', payload: { seconds: 3 }, ...timeouts };
      const answer = await sensor.invokeMethod(device.id, 'alarm', call);
      assert.deepEqual([answer.status, answer.payload], [418, { with: { seconds: 3 } }]);
      const nobody = sensor.invokeMethod(device.id, 'nobody', { ...call, connectTimeoutInSeconds: 0 });
      await assert.rejects(nobody, /not found|404/i);
    });

    test('a cut upstream keeps messages and delivers them in order', async (t) => {
      const { device, sensor, alarm } = await edge(t, { near: TO_ALARM, up: TO_HUB });
      const arrived = inputs(alarm);
      const twin = await alarm.getTwin();
      const patches = arrivals(twin, 'properties.desired');
      await device.pull({ upstream: 'cut' });
      for (const number of numbered(20)) await sensor.sendOutputEvent('distance', new Message(`${number}`));
      assert.deepEqual((await arrived.take(20)).map(text), numbered(20).map(String));
      await report(twin, { while: 'cut' });
      await device.desire({ limit: 2 }, 'alarm');
      assert.deepEqual(await device.soFar(), []);
      assert.deepEqual(await device.reported('alarm'), {});
      await device.pull({ upstream: 'up' });
      assert.deepEqual(bodies(await device.events(20)), numbered(20));
      await patches.until((patch) => patch.limit === 2);
      assert.deepEqual(await device.reported('alarm'), { while: 'cut' });
    });

    test('a module survives a cut link', async (t) => {
      const { device, sensor, alarm } = await edge(t, { near: TO_ALARM });
      const connections = await device.connections(t, 'alarm');
      const arrived = inputs(alarm);
      await alarm.getTwin();
      await device.pull({ link: 'cut' }, 'alarm');
      await connections.until(({ state }) => state === 'disconnected');
      for (const number of numbered(5)) await sensor.sendOutputEvent('distance', new Message(`${number}`));
      await device.pull({ link: 'up' }, 'alarm');
      assert.deepEqual((await arrived.take(5)).map(text), ['0', '1', '2', '3', '4']);
      // Over AMQP an expired token is the application's to see, not the SDK's to renew.
      await device.pull(name in MQTT ? { expireTokens: true } : { link: 'cut' }, 'sensor');
      await device.pull({ link: 'up' }, 'sensor');
      await bounded('the event is sent', sensor.sendOutputEvent('distance', new Message('5')));
      assert.equal(text(await arrived.next()), '5');
    });
  });
}
