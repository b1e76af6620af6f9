// The official client: prints what it receives, one JSON value a line.
const { io } = require('socket.io-client');

const [url, room, transport] = process.argv.slice(2);
const socket = io(new URL(url).origin, {
  transports: [transport === 'websocket' ? 'websocket' : 'polling'],
});
socket.on('message', (name, data) => console.log(JSON.stringify(data)));
socket.on('connect', () => socket.emit('join', room, () => console.log('"ready"')));
process.stdin.on('end', () => process.exit()).resume();
