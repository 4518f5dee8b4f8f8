# Bunny as Ruby programs use it. client.rb HOST PORT publish|get|suite [QUEUE]; see test_languages.py.
require "bunny"

def check(condition, what)
  abort "not so: #{what}" unless condition
  puts "ok: #{what}"
end

host, port, verb, queue = ARGV
connection = Bunny.new(host: host, port: port.to_i, automatically_recover: false, continuation_timeout: 60_000)
connection.start
channel = connection.create_channel

case verb
when "publish"
  channel.confirm_select
  channel.default_exchange.publish($stdin.binmode.read, routing_key: queue, content_type: "application/octet-stream", persistent: true)
  abort "not confirmed" unless channel.wait_for_confirms
when "get"
  delivery, properties, body = channel.basic_get(queue, manual_ack: true)
  $stderr.write properties[:content_type]
  $stdout.binmode.write body
  channel.ack(delivery.delivery_tag)
else
  exchange = channel.topic("ruby-x")
  named = channel.queue("ruby-q", durable: true)
  named.bind(exchange, routing_key: "ruby.#")
  received = Queue.new
  consumer = named.subscribe(manual_ack: true) do |delivery, properties, body|
    received << [delivery.routing_key, delivery.redelivered?, properties.headers, body]
    channel.ack(delivery.delivery_tag)
  end
  headers = {"text" => "t", "number" => 42, "big" => 2**40, "float" => 1.5, "list" => [1, "two"], "table" => {"x" => true}}
  exchange.publish("hello", routing_key: "ruby.a.b", headers: headers, persistent: true)
  check(received.pop == ["ruby.a.b", false, headers, "hello"], "a topic message arrives with its headers")
  consumer.cancel

  channel.prefetch(1)
  3.times { |n| named.publish(n.to_s) }
  first = named.pop(manual_ack: true)
  channel.nack(first[0].delivery_tag, false, true)
  again = named.pop(manual_ack: true)
  check(again[2] == "0" && again[0].redelivered?, "a returned message goes back to its place")
  channel.reject(again[0].delivery_tag, false)
  check(named.message_count == 2, "a rejected message is gone")
  check(named.purge && named.message_count == 0, "purge empties")

  returned = Queue.new
  exchange.on_return { |info, _properties, body| returned << [info.reply_code, info.reply_text, body] }
  exchange.publish("back", routing_key: "nobody", mandatory: true)
  check(returned.pop == [312, "NO_ROUTE", "back"], "a mandatory message comes back")

  confirming = connection.create_channel
  confirming.confirm_select
  100.times { confirming.default_exchange.publish("x", routing_key: "ruby-q", persistent: true) }
  check(confirming.wait_for_confirms && confirming.nacked_set.empty?, "a hundred publishes are confirmed")

  cancelled = Queue.new
  watcher = connection.create_channel
  passing = watcher.queue("ruby-passing")
  watching = Bunny::Consumer.new(watcher, passing)
  watching.on_cancellation { cancelled << true }
  passing.subscribe_with(watching)
  channel.queue_delete("ruby-passing")
  check(cancelled.pop, "a consumer hears that its queue was deleted")

  begin
    connection.create_channel.queue("ruby-q", durable: false)
    check(false, "406")
  rescue Bunny::PreconditionFailed => e
    check(e.message == "PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'ruby-q' in vhost '/': received 'false' but current is 'true'", e.message)
  end
  begin
    connection.create_channel.queue("ruby-missing", passive: true)
    check(false, "404")
  rescue Bunny::NotFound => e
    check(e.message == "NOT_FOUND - no queue 'ruby-missing' in vhost '/'", e.message)
  end
  begin
    Bunny.new(host: host, port: port.to_i, pass: "wrong", automatically_recover: false, logger: Logger.new(File::NULL)).start
    check(false, "403")
  rescue Bunny::AuthenticationFailureError
    check(true, "a wrong password is an authentication failure")
  end
  check(connection.server_capabilities["consumer_cancel_notify"], "capabilities are a table of booleans")
  named.delete
  exchange.delete
end
connection.close
