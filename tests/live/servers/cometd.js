// A CometD server that is told what to publish: one JSON object a line on standard input.
const http = require('http');
const readline = require('readline');
const cometd = require('cometd-nodejs-server');
const acks = require('cometd-nodejs-server/ack-extension');

const [port, timeout] = process.argv.slice(2).map(Number);
const bayeux = cometd.createCometDServer({ timeout: (timeout || 30) * 1000, maxInterval: 60000 });
bayeux.addExtension(new acks.AcknowledgedMessagesExtension());
bayeux.policy = {
  canSubscribe: (session, message, channel, callback) => {
    callback(undefined, !/^\/private\//.test(channel.name));
  },
};
const counts = { subscribed: 0, most: 0, sessions: 0 };
bayeux.addListener('sessionAdded', () => { counts.sessions += 1; });
bayeux.addListener('channelAdded', (channel) => {
  const perSession = new Set();
  channel.addListener('subscribed', (session) => {
    perSession.add(session);
    counts.subscribed += 1;
    counts.most = Math.max(counts.most, perSession.size);
  });
  channel.addListener('unsubscribed', (session) => { perSession.delete(session); });
});

http.createServer((request, response) => bayeux.handle(request, response))
  .listen(port, '127.0.0.1', () => console.log(JSON.stringify({ ready: true })));

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const { publish, data } = JSON.parse(line);
  if (publish) bayeux.createServerChannel(publish).publish(null, data);
  else console.log(JSON.stringify(counts));
}).on('close', () => process.exit());
