<?php
// php-amqplib as PHP programs use it. client.php HOST PORT publish|get|suite [QUEUE]; see test_languages.py.
require_once '/usr/share/php/PhpAmqpLib/autoload.php';

use PhpAmqpLib\Connection\AMQPStreamConnection;
use PhpAmqpLib\Exception\AMQPProtocolChannelException;
use PhpAmqpLib\Message\AMQPMessage;
use PhpAmqpLib\Wire\AMQPTable;

function check($condition, $what) {
    if (!$condition) {
        fwrite(STDERR, "not so: $what\n");
        exit(1);
    }
    echo "ok: $what\n";
}

function refused(callable $attempt, $code, $text) {
    try {
        $attempt();
    } catch (AMQPProtocolChannelException $closed) {
        check($closed->amqp_reply_code === $code && $closed->amqp_reply_text === $text, $text);
        return;
    }
    check(false, $text);
}

[, $host, $port, $verb] = $argv;
$connection = new AMQPStreamConnection($host, $port, 'guest', 'guest', '/');
$channel = $connection->channel();

if ($verb === 'publish') {
    $channel->confirm_select();
    $message = new AMQPMessage(stream_get_contents(STDIN), ['content_type' => 'application/octet-stream', 'delivery_mode' => 2]);
    $channel->basic_publish($message, '', $argv[4]);
    $channel->wait_for_pending_acks(20);
} elseif ($verb === 'get') {
    $message = $channel->basic_get($argv[4]);
    fwrite(STDERR, $message->get('content_type'));
    fwrite(STDOUT, $message->getBody());
    $message->ack();
} else {
    // Positions as in the seed: passive, durable, exclusive, auto_delete.
    $channel->exchange_declare('php-x', 'direct', false, true, false);
    $channel->queue_declare('php-q', false, true, false, false);
    $channel->queue_bind('php-q', 'php-x', 'php-key');
    $order = ['user' => 'lqz', 'items' => [1, 2, 3]];
    $message = new AMQPMessage(serialize($order), ['content_type' => 'text/plain', 'delivery_mode' => 2]);
    $channel->basic_publish($message, 'php-x', 'php-key');
    $got = [];
    $channel->basic_qos(null, 1, null);
    $channel->basic_consume('php-q', '', false, false, false, false, function ($message) use (&$got) {
        $got[] = [unserialize($message->getBody()), $message->get('content_type'), $message->get('delivery_mode')];
        $message->ack();
    });
    while (!$got) {
        $channel->wait(null, false, 20);
    }
    check($got[0] === [$order, 'text/plain', 2], 'a serialized object comes out as it went in');

    [$name, $messages, $consumers] = $channel->queue_declare('php-q', true);
    check($name === 'php-q' && $messages === 0 && $consumers === 1, 'a passive declare tells name and counts');
    [$generated] = $channel->queue_declare('', false, false, true, true);
    check(strpos($generated, 'amq.gen-') === 0, 'the broker names a queue');

    $returned = [];
    $channel->confirm_select();
    $channel->set_return_listener(function ($code, $text, $exchange, $key) use (&$returned) {
        $returned[] = [$code, $text, $exchange, $key];
    });
    $channel->basic_publish(new AMQPMessage('x'), 'php-x', 'no-such-key', true);
    $channel->wait_for_pending_acks_returns(20);
    check($returned === [[312, 'NO_ROUTE', 'php-x', 'no-such-key']], 'a mandatory message comes back');

    $headers = new AMQPTable(['text' => 'ü', 'number' => 42, 'big' => 2 ** 40, 'list' => [1, 'two', false], 'none' => null]);
    $channel->basic_publish(new AMQPMessage('x', ['application_headers' => $headers]), '', $generated);
    $message = $channel->basic_get($generated, true);
    check($message->get('application_headers')->getNativeData() === $headers->getNativeData(), 'headers come out as they went in');

    refused(function () use ($connection) { $connection->channel()->queue_declare('php-q', false, false, false, false); }, 406,
        "PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'php-q' in vhost '/': received 'false' but current is 'true'");
    refused(function () use ($connection) { $connection->channel()->basic_consume('php-missing'); }, 404,
        "NOT_FOUND - no queue 'php-missing' in vhost '/'");

    $tx = $connection->channel();
    $tx->tx_select();
    $tx->basic_publish(new AMQPMessage('rolled back'), '', $generated);
    $tx->tx_rollback();
    $tx->basic_publish(new AMQPMessage('committed'), '', $generated);
    $tx->tx_commit();
    check($channel->basic_get($generated, true)->getBody() === 'committed', 'a transaction publishes at commit only');

    $channel->queue_delete('php-q');
    $channel->exchange_delete('php-x');
}
$channel->close();
$connection->close();
