// The official client: prints what it receives, one JSON value a line.
require('cometd-nodejs-client').adapt();
const { CometD } = require('cometd');

const [url, channel] = process.argv.slice(2);
const client = new CometD();
client.configure({ url, logLevel: 'error' });
client.websocketEnabled = false;
client.handshake(({ successful }) => {
  if (!successful) process.exit(1);
  client.subscribe(channel, (message) => console.log(JSON.stringify(message.data)), () => console.log('"ready"'));
});
process.stdin.on('end', () => process.exit()).resume();
