// The Java client as Java programs use it. Client HOST PORT publish|get|suite [QUEUE]; see test_languages.py.

import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.AlreadyClosedException;
import com.rabbitmq.client.AuthenticationFailureException;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.DefaultConsumer;
import com.rabbitmq.client.Envelope;
import com.rabbitmq.client.GetResponse;
import com.rabbitmq.client.LongString;
import com.rabbitmq.client.MessageProperties;
import com.rabbitmq.client.ShutdownSignalException;
import java.io.IOException;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

public class Client {
  static void check(boolean condition, String what) {
    if (!condition) {
      System.err.println("not so: " + what);
      System.exit(1);
    }
    System.out.println("ok: " + what);
  }

  interface Attempt {
    void run(Channel channel) throws Exception;
  }

  static void refused(Connection connection, Attempt attempt, int code, String text) throws Exception {
    try {
      attempt.run(connection.createChannel());
    } catch (IOException | AlreadyClosedException e) {
      Throwable cause = e instanceof IOException ? e.getCause() : e;
      AMQP.Channel.Close close = (AMQP.Channel.Close) ((ShutdownSignalException) cause).getReason();
      check(close.getReplyCode() == code && close.getReplyText().equals(text), code + " " + close.getReplyText());
      return;
    }
    check(false, text);
  }

  public static void main(String[] arguments) throws Exception {
    ConnectionFactory factory = new ConnectionFactory();
    factory.setHost(arguments[0]);
    factory.setPort(Integer.parseInt(arguments[1]));
    factory.setAutomaticRecoveryEnabled(false);
    try (Connection connection = factory.newConnection("java-client")) {
      Channel channel = connection.createChannel();
      if (arguments[2].equals("publish")) {
        channel.confirmSelect();
        AMQP.BasicProperties properties =
            new AMQP.BasicProperties.Builder().contentType("application/octet-stream").deliveryMode(2).build();
        channel.basicPublish("", arguments[3], properties, System.in.readAllBytes());
        channel.waitForConfirmsOrDie(20000);
      } else if (arguments[2].equals("get")) {
        GetResponse message = channel.basicGet(arguments[3], false);
        System.err.print(message.getProps().getContentType());
        System.out.write(message.getBody());
        System.out.flush();
        channel.basicAck(message.getEnvelope().getDeliveryTag(), false);
      } else {
        suite(factory, connection, channel);
      }
    }
  }

  static void suite(ConnectionFactory factory, Connection connection, Channel channel) throws Exception {
    channel.exchangeDeclare("java-x", "direct", true);
    channel.queueDeclare("java-q", true, false, false, Map.of("x-queue-type", "classic"));
    channel.queueBind("java-q", "java-x", "key");
    LinkedBlockingQueue<Object[]> received = new LinkedBlockingQueue<>();
    String tag = channel.basicConsume("java-q", false, new DefaultConsumer(channel) {
      @Override
      public void handleDelivery(String consumer, Envelope envelope, AMQP.BasicProperties properties, byte[] body) throws IOException {
        received.add(new Object[] {envelope.getRoutingKey(), envelope.isRedeliver(), properties, body});
        getChannel().basicAck(envelope.getDeliveryTag(), false);
      }
    });
    Map<String, Object> headers = new HashMap<>();
    headers.put("number", 42);
    headers.put("big", 1L << 40);
    headers.put("list", Arrays.asList(1, false, 2.5));
    headers.put("table", Map.of("x", true));
    headers.put("none", null);
    AMQP.BasicProperties sent = MessageProperties.PERSISTENT_TEXT_PLAIN.builder().headers(headers).correlationId("c").build();
    channel.basicPublish("java-x", "key", sent, "hello".getBytes());
    Object[] got = received.poll(60, TimeUnit.SECONDS);
    AMQP.BasicProperties arrived = (AMQP.BasicProperties) got[2];
    check(got[0].equals("key") && got[1].equals(false) && new String((byte[]) got[3]).equals("hello"), "a message arrives");
    check(arrived.getHeaders().equals(headers) && arrived.getCorrelationId().equals("c") && arrived.getDeliveryMode() == 2
        && arrived.getContentType().equals("text/plain"), "with all its properties");
    channel.basicCancel(tag);

    LinkedBlockingQueue<String> returned = new LinkedBlockingQueue<>();
    channel.addReturnListener((code, text, exchange, key, properties, body) -> returned.add(code + " " + text + " " + exchange + " " + key));
    channel.basicPublish("java-x", "nobody", true, null, new byte[0]);
    check("312 NO_ROUTE java-x nobody".equals(returned.poll(60, TimeUnit.SECONDS)), "a mandatory message comes back");

    channel.confirmSelect();
    for (int i = 0; i < 500; i++) {
      channel.basicPublish("", "java-q", MessageProperties.PERSISTENT_BASIC, new byte[10]);
    }
    channel.waitForConfirmsOrDie(60000);
    check(channel.messageCount("java-q") == 500, "five hundred publishes are confirmed and counted");
    check(channel.queuePurge("java-q").getMessageCount() == 500, "and purged");

    Channel tx = connection.createChannel();
    tx.txSelect();
    tx.basicPublish("", "java-q", null, "rolled back".getBytes());
    tx.txRollback();
    tx.basicPublish("", "java-q", null, "committed".getBytes());
    tx.txCommit();
    check(new String(channel.basicGet("java-q", true).getBody()).equals("committed"), "a transaction publishes at commit only");

    String generated = channel.queueDeclare().getQueue();
    check(generated.startsWith("amq.gen-"), "the broker names a queue");
    LinkedBlockingQueue<String> cancelled = new LinkedBlockingQueue<>();
    channel.basicConsume(generated, new DefaultConsumer(channel) {
      @Override
      public void handleCancel(String consumer) {
        cancelled.add(consumer);
      }
    });
    connection.createChannel().queueDelete(generated);
    check(cancelled.poll(60, TimeUnit.SECONDS) != null, "a consumer hears that its queue was deleted");

    Channel requests = connection.createChannel();
    LinkedBlockingQueue<String> answers = new LinkedBlockingQueue<>();
    requests.basicConsume("amq.rabbitmq.reply-to", true, (consumer, delivery) -> answers.add(new String(delivery.getBody())), consumer -> {});
    requests.basicPublish("", "java-q", new AMQP.BasicProperties.Builder().replyTo("amq.rabbitmq.reply-to").build(), "30".getBytes());
    GetResponse request = requests.basicGet("java-q", true);  // The same channel: it sees what it published.
    check(request.getProps().getReplyTo().startsWith("amq.rabbitmq.reply-to."), "a direct reply address is made");
    channel.basicPublish("", request.getProps().getReplyTo(), null, "832040".getBytes());
    check("832040".equals(answers.poll(60, TimeUnit.SECONDS)), "a direct reply arrives");

    refused(connection, c -> c.queueDeclare("java-q", false, false, false, null), 406,
        "PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'java-q' in vhost '/': received 'false' but current is 'true'");
    refused(connection, c -> c.queueDeclarePassive("java-missing"), 404, "NOT_FOUND - no queue 'java-missing' in vhost '/'");
    refused(connection, c -> { c.basicAck(99, false); c.basicQos(1); }, 406, "PRECONDITION_FAILED - unknown delivery tag 99");
    try {
      ConnectionFactory wrong = factory.clone();
      wrong.setPassword("wrong");
      wrong.newConnection();
      check(false, "403");
    } catch (AuthenticationFailureException e) {
      check(e.getMessage().equals("ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. "
          + "For details see the broker logfile."), e.getMessage());
    }
    Object version = connection.getServerProperties().get("version");
    check(version instanceof LongString && version.toString().matches("\\d+\\.\\d+\\.\\d+.*"), "the server tells its version");
    channel.queueDelete("java-q");
    channel.exchangeDelete("java-x");
  }
}
