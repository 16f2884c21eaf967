// Evaluates flags of a file as flagd's provider does in the process that has them, for whoever asks by HTTP:
// node flagd.js FILE PORT
const { createServer } = require('node:http');
const { OpenFeature, ProviderEvents } = require('@openfeature/server-sdk');
const { FlagdProvider } = require('@openfeature/flagd-provider');

const [file, port] = process.argv.slice(2);
const errors = [];
for (const event of [ProviderEvents.Error, ProviderEvents.Stale]) {
  OpenFeature.addHandler(event, (details) => errors.push(details.message ?? event));
}
const logger = { debug() {}, info() {}, warn() {}, error: (...said) => errors.push(said.join(' ')) };
OpenFeature.setLogger(logger);

/** What each user of a list is given for a flag, and what went wrong since the start. */
async function evaluate(body) {
  const { flag, otherwise, users } = JSON.parse(body);
  const client = OpenFeature.getClient();
  const ask = typeof otherwise === 'boolean' ? 'getBooleanDetails' : 'getStringDetails';
  const answers = users.map(({ id, plan }) => client[ask](flag, otherwise, { targetingKey: id, plan }));
  const details = await Promise.all(answers);
  return { answers: details.map(({ value, reason }) => [value, reason]), errors };
}

const provider = new FlagdProvider({ resolverType: 'in-process', offlineFlagSourcePath: file }, logger);
OpenFeature.setProviderAndWait(provider).then(() => {
  createServer(async (request, response) => {
    const parts = [];
    for await (const part of request) parts.push(part);
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(await evaluate(Buffer.concat(parts).toString())));
  }).listen(Number(port), '127.0.0.1');
});
