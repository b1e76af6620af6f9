// A Socket.IO server with rooms, told what to publish: one JSON object a line on standard input.
const http = require('http');
const readline = require('readline');
const { Server } = require('socket.io');

const [port, interval] = process.argv.slice(2).map(Number);
const server = http.createServer((request, response) => {
  response.statusCode = 404;
  response.end();
});
const io = new Server(server, {
  pingInterval: (interval || 25) * 1000,
  pingTimeout: Math.min(20, interval || 20) * 1000,
  maxHttpBufferSize: 1 << 20,
  connectionStateRecovery: { maxDisconnectionDuration: 120000, skipMiddlewares: true },
});
const counts = { subscribed: 0, most: 0, sessions: 0 };
io.use((socket, next) => { counts.sessions += 1; next(); });
io.on('connection', (socket) => {
  socket.on('join', (room, reply) => {
    if (/^private-/.test(room)) return reply({ ok: false, error: 'forbidden' });
    socket.join(room);
    counts.subscribed += 1;
    counts.most = Math.max(counts.most, (io.of('/').adapter.rooms.get(room) || new Set()).size);
    return reply({ ok: true });
  });
  socket.on('leave', (room, reply) => { socket.leave(room); reply({ ok: true }); });
  socket.on('publish', (room, data, reply) => { io.to(room).emit('message', room, data); reply({ ok: true }); });
});
io.of('/admin').use((socket, next) => next(new Error('not authorized')));
server.listen(port, '127.0.0.1', () => console.log(JSON.stringify({ ready: true })));

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const { publish, data } = JSON.parse(line);
  if (publish) io.to(publish).emit('message', publish, data);
  else console.log(JSON.stringify(counts));
}).on('close', () => process.exit());
