// A back end's own program with the SDK's job client and its registry: schedules jobs, and moves devices through blobs.
//
// A process of its own, because these clients take their authorities from NODE_EXTRA_CA_CERTS only. Prints one JSON line.

import azureIothub from 'azure-iothub';

const { connectionString, scenario, ...given } = JSON.parse(process.argv[2]);
const jobs = azureIothub.JobClient.fromConnectionString(connectionString);
const registry = azureIothub.Registry.fromConnectionString(connectionString);

const status = async (promise) => (await promise).jobStatus;
const body = async (promise) => (await promise).responseBody;
const OVER = ['completed', 'failed', 'cancelled'];

/** What an application sees of an action that fails. */
async function fault(action) {
  try {
    await action();
    return 'done';
  } catch (error) {
    return error.name;
  }
}

/** Asks until a job is over. Whoever runs this program has a bound. */
async function over(read) {
  for (;;) {
    const job = await read();
    if (OVER.includes(job.status)) return job;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const scheduled = (id) => over(() => status(jobs.getJob(id)));
// Unlike the others, these of the registry give the document itself.
const moved = ({ jobId }) => over(() => registry.getJob(jobId));

/** The ids of a query's next page: left alone, the SDK begins with the first page again. */
async function page(query) {
  const { result } = await query.next(query.continuationToken);
  return result.map(({ jobId }) => jobId);
}

const patch = { etag: '*', tags: { floor: 3 }, properties: { desired: { interval: 10 } } };
const method = { methodName: 'restart', payload: { delay: 1 }, responseTimeoutInSeconds: 5 };

const scenarios = {
  async twins({ prefix, condition }) {
    const made = await status(jobs.scheduleTwinUpdate(prefix, condition, patch, new Date(), 60));
    const done = await scheduled(prefix);
    const query = registry.createQuery(`SELECT * FROM devices.jobs WHERE devices.jobs.jobId = '${prefix}'`);
    const runs = (await query.next()).result;
    return { made, done, runs };
  },

  async methods({ prefix, condition }) {
    const made = await status(jobs.scheduleDeviceMethod(prefix, condition, method));
    const done = await scheduled(prefix);
    const query = registry.createQuery(`SELECT * FROM devices.jobs WHERE devices.jobs.jobId = '${prefix}'`);
    const runs = (await query.next()).result;
    return { made, done, runs };
  },

  async lists({ prefix, condition }) {
    for (const number of [1, 2, 3]) {
      await jobs.scheduleTwinUpdate(`${prefix}-${number}`, condition, patch);
      await scheduled(`${prefix}-${number}`);
    }
    const tomorrow = new Date(Date.now() + 86_400_000);
    const planned = await status(jobs.scheduleTwinUpdate(`${prefix}-4`, condition, patch, tomorrow, 60));
    const query = jobs.createQuery('scheduleUpdateTwin', 'completed', 2);
    const pages = [];
    while (query.hasMoreResults) pages.push(await page(query));
    const cancelled = await status(jobs.cancelJob(`${prefix}-4`));
    const all = (await jobs.createQuery().next()).result;
    return { planned, pages, cancelled, all: all.map(({ jobId, status }) => ({ jobId, status })) };
  },

  async mistakes({ prefix, condition }) {
    const ahead = (hours) => new Date(Date.now() + hours * 3_600_000);
    await jobs.scheduleTwinUpdate(prefix, condition, patch, ahead(1), 60);
    const schedule = (id, where, twin, ...when) => fault(() => jobs.scheduleTwinUpdate(id, where, twin, ...when));
    return {
      taken: await schedule(prefix, condition, patch),
      condition: await schedule(`${prefix}-a`, 'tags.site =', patch),
      far: await schedule(`${prefix}-b`, condition, patch, ahead(40 * 24), 60),
      past: await schedule(`${prefix}-c`, condition, patch, new Date(0), 60),
      stale: await schedule(`${prefix}-d`, condition, { ...patch, etag: 'AAAA' }),
      timeout: await fault(() =>
        jobs.scheduleDeviceMethod(`${prefix}-e`, condition, { ...method, responseTimeoutInSeconds: 1000 }),
      ),
      unknown: await fault(() => jobs.getJob(`${prefix}-nobody`)),
      cancelled: await fault(() => jobs.cancelJob(`${prefix}-nobody`)),
      moved: await fault(() => registry.getJob(`${prefix}-nobody`)),
    };
  },

  async blobs({ uri, deviceId }) {
    const made = await registry.exportDevicesToBlob(uri, false);
    const exported = await moved(made);
    const listed = (await body(registry.listJobs())).map(({ jobId }) => jobId);
    await registry.delete(deviceId);
    const back = await moved(await registry.importDevicesFromBlob(uri, uri));
    const device = await body(registry.get(deviceId));
    const cancelled = await fault(() => registry.cancelJob(made.jobId));
    return { made, exported, listed, back, device, cancelled };
  },

  async rights({ prefix, uri }) {
    return {
      read: await fault(() => registry.listJobs()),
      list: await fault(() => jobs.createQuery().next()),
      schedule: await fault(() => jobs.scheduleTwinUpdate(prefix, "deviceId = 'nobody'", patch)),
      move: await fault(async () => moved(await registry.exportDevicesToBlob(uri, true))),
    };
  },
};

const answer = await scenarios[scenario](given);
process.stdout.write(`${JSON.stringify(answer)}\n`, () => process.exit(0));
