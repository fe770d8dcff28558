// BullMQ: jobs added in bulk by 1,000, one worker with concurrency 100, as its guide advises for short jobs.
const { Queue, Worker } = require('bullmq');
const url = new URL(process.env.BENCH_REDIS);
const connection = { host: url.hostname, port: Number(url.port), maxRetriesPerRequest: null };
const count = Number(process.argv[2]);

async function main() {
    const name = 'noop-' + process.pid;
    const queue = new Queue(name, { connection });
    await queue.waitUntilReady();
    let seen = 0, sum = 0, done;
    const all = new Promise((resolve) => { done = resolve; });
    const worker = new Worker(name, async (job) => job.data.x * 2, { connection, concurrency: 100, removeOnComplete: { count: 0 } });
    worker.on('completed', (_job, value) => { sum += value; if (++seen === count) done(); });
    await worker.waitUntilReady();
    const began = process.hrtime.bigint();
    for (let i = 0; i < count; i += 1000)
        await queue.addBulk(Array.from({ length: Math.min(1000, count - i) }, (_, k) => ({ name: 'x', data: { x: i + k } })));
    await all;
    const took = Number(process.hrtime.bigint() - began) / 1e9;
    if (sum !== count * (count - 1)) throw new Error('wrong results');
    await worker.close();
    await queue.close();
    console.log(took);
}

main().then(() => process.exit(0), (e) => { console.error(e); process.exit(1); });
