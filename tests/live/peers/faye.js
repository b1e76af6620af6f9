// The official client: prints what it receives, one JSON value a line.
const faye = require('faye');

const [url, channel, transport] = process.argv.slice(2);
const client = new faye.Client(url);
// It begins with long polling and takes a WebSocket where it may; under Node it has no EventSource.
if (transport === 'long-poll') client.disable('websocket');
client.subscribe(channel, (data) => console.log(JSON.stringify(data)))
  .then(() => console.log('"ready"'));
process.stdin.on('end', () => process.exit()).resume();
