// The official client: prints what it receives, one JSON value a line.
const faye = require('faye');

const [url, channel, transport] = process.argv.slice(2);
const client = new faye.Client(url);
const all = ['websocket', 'eventsource', 'long-polling', 'cross-origin-long-polling', 'callback-polling'];
const wanted = { websocket: 'websocket', sse: 'eventsource', 'long-poll': 'long-polling' }[transport];
all.filter((name) => name !== wanted).forEach((name) => client.disable(name));
client.subscribe(channel, (data) => console.log(JSON.stringify(data)))
  .then(() => console.log('"ready"'));
process.stdin.on('end', () => process.exit()).resume();
