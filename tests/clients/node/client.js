// amqplib as Node programs use it. client.js HOST PORT publish|get|suite [QUEUE]; see test_languages.py.
'use strict';
const assert = require('assert');
const amqp = require('amqplib');

const [host, port, verb, queueName] = process.argv.slice(2);
const ok = (what) => console.log(`ok: ${what}`);
const once = (emitter, event) => new Promise((resolve) => emitter.once(event, resolve));

async function refused(connection, attempt, code, text) {
  const channel = await connection.createChannel();
  const error = once(channel, 'error');
  attempt(channel).catch(() => {});
  const closed = await error;
  assert.strictEqual(closed.code, code);
  assert.ok(closed.message.includes(text), closed.message);
  ok(text);
}

async function suite(connection) {
  const channel = await connection.createChannel();
  await channel.assertExchange('node-x', 'topic', {durable: false});
  const {queue} = await channel.assertQueue('', {exclusive: true});
  assert.ok(queue.startsWith('amq.gen-'));
  await channel.bindQueue(queue, 'node-x', '*.orange.*');
  const headers = {text: 'ü', number: 42, big: 2 ** 40, float: 1.5, list: [1, 'two', false], table: {x: true}, none: null};
  const arrived = new Promise((resolve) => channel.consume(queue, resolve, {consumerTag: 'node-tag'}));
  channel.publish('node-x', 'quick.orange.rabbit', Buffer.from('hello'), {headers, persistent: true, messageId: 'm'});
  const message = await arrived;
  assert.deepStrictEqual(message.properties.headers, headers);
  assert.deepStrictEqual([message.content.toString(), message.properties.messageId, message.fields.redelivered], ['hello', 'm', false]);
  ok('a topic message arrives with its headers');
  channel.ack(message);
  await channel.cancel('node-tag');

  const returned = once(channel, 'return');
  channel.publish('node-x', 'nobody', Buffer.from('back'), {mandatory: true});
  assert.deepStrictEqual([(await returned).fields.replyCode, (await returned).content.toString()], [312, 'back']);
  ok('a mandatory message comes back');

  const confirming = await connection.createConfirmChannel();
  for (let i = 0; i < 500; ++i) confirming.sendToQueue(queue, Buffer.alloc(5000, i), {persistent: true});
  await confirming.waitForConfirms();
  assert.strictEqual((await channel.checkQueue(queue)).messageCount, 500);
  assert.strictEqual((await channel.get(queue, {noAck: true})).content.length, 5000);  // More than a frame of 4096 holds.
  assert.strictEqual((await channel.purgeQueue(queue)).messageCount, 499);
  ok('five hundred publishes are confirmed, counted and purged');

  const watcher = await connection.createChannel();
  await watcher.assertQueue('node-passing', {durable: false});
  const cancelled = new Promise((resolve) => watcher.consume('node-passing', (m) => m === null && resolve()));
  await channel.checkQueue('node-passing');
  await channel.deleteQueue('node-passing');
  await cancelled;
  ok('a consumer hears that its queue was deleted');

  await refused(connection, (c) => c.assertExchange('node-x', 'direct', {durable: false}), 406,
    "PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'node-x' in vhost '/': received 'direct' but current is 'topic'");
  await refused(connection, (c) => c.checkQueue('node-missing'), 404, "NOT_FOUND - no queue 'node-missing' in vhost '/'");
  await assert.rejects(amqp.connect({hostname: host, port, password: 'wrong'}), /403 \(ACCESS-REFUSED\)/);
  ok('a wrong password is refused with 403');
  await channel.deleteExchange('node-x');
}

(async () => {
  const connection = await amqp.connect({hostname: host, port: Number(port)});
  if (verb === 'publish') {
    const body = require('fs').readFileSync(0);
    const channel = await connection.createConfirmChannel();
    channel.sendToQueue(queueName, body, {contentType: 'application/octet-stream', persistent: true});
    await channel.waitForConfirms();
  } else if (verb === 'get') {
    const channel = await connection.createChannel();
    const message = await channel.get(queueName);
    process.stderr.write(message.properties.contentType);
    process.stdout.write(message.content);
    channel.ack(message);
    await channel.close();
  } else {
    await suite(connection);
  }
  await connection.close();
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
