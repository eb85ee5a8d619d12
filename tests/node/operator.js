// A back end's own program with the SDK's service client: administers devices, modules, twins and configurations, and
// calls methods.
//
// A process of its own, because that client takes its authorities from NODE_EXTRA_CA_CERTS only. Prints one JSON line.

import azureIothub from 'azure-iothub';

const { connectionString, scenario, ...given } = JSON.parse(process.argv[2]);
const registry = azureIothub.Registry.fromConnectionString(connectionString);
const client = azureIothub.Client.fromConnectionString(connectionString);

const body = async (promise) => (await promise).responseBody;

/** What an application sees of an action that fails. */
async function fault(action) {
  try {
    await action();
    return 'done';
  } catch (error) {
    return error.name;
  }
}

const scenarios = {
  async devices({ prefix }) {
    const deviceId = `${prefix}-1`;
    const made = await body(registry.create({ deviceId }));
    const again = await fault(() => registry.create({ deviceId }));
    const changed = await body(registry.update({ ...made, status: 'disabled', statusReason: 'frost' }));
    const kept = await body(registry.get(deviceId));
    const listed = (await body(registry.list())).map((device) => device.deviceId);
    const statistics = await body(registry.getRegistryStatistics());
    await registry.delete(deviceId);
    const gone = await fault(() => registry.get(deviceId));
    const refused = await fault(() => registry.create({ deviceId: 'a b' }));
    return { made, again, changed, kept, listed, statistics, gone, refused };
  },

  async bulk({ prefix }) {
    const devices = [1, 2, 3].map((number) => ({ deviceId: `${prefix}-${number}` }));
    const added = await body(registry.addDevices(devices));
    const again = await body(registry.addDevices(devices.slice(0, 1)));
    const disabled = devices.map((device) => ({ ...device, status: 'disabled' }));
    const updated = await body(registry.updateDevices(disabled, true));
    const { status } = await body(registry.get(devices[0].deviceId));
    const { etag } = await body(registry.get(devices[1].deviceId));
    const stale = await body(registry.removeDevices([{ ...devices[1], etag: 'AAAA' }], false));
    const matched = await body(registry.removeDevices([{ ...devices[1], etag }], false));
    const removed = await body(registry.removeDevices([devices[0], devices[2]], true));
    const gone = await fault(() => registry.get(devices[2].deviceId));
    return { added, again, updated, status, stale, matched, removed, gone };
  },

  async modules({ prefix }) {
    const deviceId = prefix;
    await registry.create({ deviceId });
    const made = await body(registry.addModule({ deviceId, moduleId: 'sensor' }));
    const again = await fault(() => registry.addModule({ deviceId, moduleId: 'sensor' }));
    const changed = (await registry.updateModule({ ...made, managedBy: 'me' })).responseBody;
    const stale = await fault(() => registry.updateModule(made));
    const read = await body(registry.getModule(deviceId, 'sensor'));
    const listed = (await body(registry.getModulesOnDevice(deviceId))).map((module) => module.moduleId);
    await registry.removeModule(deviceId, 'sensor');
    const gone = await fault(() => registry.getModule(deviceId, 'sensor'));
    return { made, again, changed, stale, read, listed, gone };
  },

  async twins({ prefix }) {
    const deviceId = prefix;
    await registry.create({ deviceId });
    await registry.addModule({ deviceId, moduleId: 'sensor' });
    const twin = await body(registry.getTwin(deviceId));
    await twin.update({ tags: { site: 'north' }, properties: { desired: { interval: 10 } } });
    const patched = twin.toJSON();
    const stale = await fault(() => registry.updateTwin(deviceId, { tags: { site: 'south' } }, 'AAAAAAAAAAA='));
    const forced = await body(registry.updateTwin(deviceId, { tags: { row: 2 } }, '*'));
    const module = await body(
      registry.updateModuleTwin(deviceId, 'sensor', { properties: { desired: { unit: 'mm' } } }, '*'),
    );
    const missing = await fault(() => registry.getTwin(`${prefix}-nobody`));
    const wrong = await fault(() => registry.updateTwin(deviceId, { tags: { 'a.b': 1 } }, '*'));
    return { patched, stale, forced, module, missing, wrong };
  },

  async configurations({ prefix, edge }) {
    const configuration = {
      id: prefix,
      schemaVersion: '1.0',
      content: { deviceContent: { 'properties.desired.heating': true } },
      // Other tests have devices in the same hub.
      targetCondition: `tags.place='${prefix}'`,
      priority: 10,
    };
    const made = await body(registry.addConfiguration(configuration));
    const device = { deviceId: `${prefix}-heated` };
    await registry.create(device);
    await registry.updateTwin(device.deviceId, { tags: { place: prefix } }, '*');
    const heated = await body(registry.getTwin(device.deviceId));
    const counted = await body(registry.getConfiguration(prefix));
    const changed = await body(registry.updateConfiguration({ ...made, priority: 11 }));
    const stale = await fault(() => registry.updateConfiguration(made));
    const forced = await body(registry.updateConfiguration({ ...made, priority: 12 }, true));
    const listed = (await body(registry.getConfigurations())).map(({ id }) => id);
    await registry.removeConfiguration(prefix);
    const gone = await fault(() => registry.getConfiguration(prefix));
    const cold = await body(registry.getTwin(device.deviceId));
    const modulesContent = {
      $edgeAgent: { 'properties.desired': { modules: { sensor: {} } } },
      $edgeHub: { 'properties.desired': { routes: {} } },
      sensor: { 'properties.desired': { interval: 5 } },
    };
    await registry.applyConfigurationContentOnDevice(edge, { modulesContent });
    const sensor = await body(registry.getModuleTwin(edge, 'sensor'));
    return { made, heated, counted, changed, stale, forced, listed, gone, cold, sensor };
  },

  async methods({ deviceId, moduleId }) {
    const method = { methodName: 'restart', payload: { delay: 1 }, responseTimeoutInSeconds: 10, connectTimeoutInSeconds: 10 };
    const device = (await client.invokeDeviceMethod(deviceId, method)).result;
    const module = (await client.invokeDeviceMethod(deviceId, moduleId, method)).result;
    const nobody = await fault(() => client.invokeDeviceMethod(`${deviceId}-nobody`, method));
    const bad = { ...method, responseTimeoutInSeconds: 1000 };
    const refused = await fault(() => client.invokeDeviceMethod(deviceId, bad));
    return { device, module, nobody, refused };
  },

  async rights({ deviceId }) {
    return {
      read: await fault(() => registry.get(deviceId)),
      write: await fault(() => registry.update({ deviceId, status: 'enabled' })),
      connect: await fault(() => registry.getTwin(deviceId)),
    };
  },
};

const answer = await scenarios[scenario](given);
// A twin holds its registry, and shows itself through this.
const plain = (key, value) => (typeof value?.toJSON === 'function' ? value.toJSON() : value);
process.stdout.write(`${JSON.stringify(answer, plain)}\n`, () => process.exit(0));
