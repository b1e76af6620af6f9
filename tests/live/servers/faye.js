// A Faye server that is told what to publish: one JSON object a line on standard input.
const http = require('http');
const readline = require('readline');
const faye = require('faye');

const [port, timeout] = process.argv.slice(2).map(Number);
const bayeux = new faye.NodeAdapter({ mount: '/bayeux', timeout: timeout || 45 });
const counts = { subscribed: 0, most: 0, sessions: 0 };
const perChannel = {};

bayeux.addExtension({
  incoming(message, callback) {
    if (message.channel === '/meta/subscribe' && /^\/private\//.test(message.subscription || '')) {
      message.error = '403:' + message.subscription + ':Subscription refused';
    }
    callback(message);
  },
});
bayeux.on('handshake', () => { counts.sessions += 1; });
bayeux.on('subscribe', (id, channel) => {
  perChannel[channel] = (perChannel[channel] || 0) + 1;
  counts.subscribed += 1;
  counts.most = Math.max(counts.most, perChannel[channel]);
});
bayeux.on('unsubscribe', (id, channel) => { perChannel[channel] -= 1; });

const server = http.createServer((request, response) => {
  response.statusCode = 404;
  response.end();
});
bayeux.attach(server);
server.listen(port, '127.0.0.1', () => console.log(JSON.stringify({ ready: true })));

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const { publish, data } = JSON.parse(line);
  if (publish) bayeux.getClient().publish(publish, data);
  else console.log(JSON.stringify(counts));
}).on('close', () => process.exit());
