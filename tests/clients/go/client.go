// amqp091-go as Go programs use it. client HOST PORT publish|get|suite [QUEUE]; see test_languages.py.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"reflect"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

func check(condition bool, what string) {
	if !condition {
		fmt.Fprintln(os.Stderr, "not so:", what)
		os.Exit(1)
	}
	fmt.Println("ok:", what)
}

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return value
}

func ok(err error) { must(0, err) }

func refused(err error, code int, text string) {
	closed, is := err.(*amqp.Error)
	check(is && closed.Code == code && closed.Reason == text, fmt.Sprintf("%d %s (got %v)", code, text, err))
}

func receive[T any](from <-chan T) T {
	select {
	case value := <-from:
		return value
	case <-time.After(60 * time.Second):
		fmt.Fprintln(os.Stderr, "nothing came")
		os.Exit(1)
		panic("not reached")
	}
}

func main() {
	uri := fmt.Sprintf("amqp://guest:guest@%s:%s/", os.Args[1], os.Args[2])
	connection := must(amqp.Dial(uri))
	defer connection.Close()
	channel := must(connection.Channel())
	background := context.Background()
	switch os.Args[3] {
	case "publish":
		ok(channel.Confirm(false))
		body := must(io.ReadAll(os.Stdin))
		confirm := must(channel.PublishWithDeferredConfirmWithContext(background, "", os.Args[4], true, false,
			amqp.Publishing{ContentType: "application/octet-stream", DeliveryMode: amqp.Persistent, Body: body}))
		check(confirm.Wait(), "confirmed")
	case "get":
		message, found, err := channel.Get(os.Args[4], false)
		ok(err)
		if !found {
			os.Exit(1)
		}
		fmt.Fprint(os.Stderr, message.ContentType)
		os.Stdout.Write(message.Body)
		ok(message.Ack(false))
	default:
		suite(uri, connection, channel)
	}
	ok(channel.Close())
}

func suite(uri string, connection *amqp.Connection, channel *amqp.Channel) {
	background := context.Background()
	ok(channel.ExchangeDeclare("go-x", "headers", false, true, false, false, nil))
	queue := must(channel.QueueDeclare("", false, false, true, false, nil))
	ok(channel.QueueBind(queue.Name, "", "go-x", false, amqp.Table{"x-match": "any", "kind": "order", "size": int32(7)}))
	sent := amqp.Table{"kind": "order", "int": int32(42), "long": int64(1) << 40, "float": 1.5, "list": []interface{}{int32(1), "two", false},
		"table": amqp.Table{"x": true}, "time": time.Unix(1700000000, 0), "bytes": []byte{0, 255}, "void": nil,
		"decimal": amqp.Decimal{Scale: 2, Value: 314}, "short": int16(-3), "byte": byte(200)}
	deliveries := must(channel.Consume(queue.Name, "go-tag", false, false, false, false, nil))
	ok(channel.PublishWithContext(background, "go-x", "", false, false, amqp.Publishing{Headers: sent, Body: []byte("x"), Priority: 3}))
	delivery := receive(deliveries)
	check(reflect.DeepEqual(delivery.Headers, sent) && delivery.Priority == 3, "every type of header comes out as it went in")
	check(delivery.ConsumerTag == "go-tag" && !delivery.Redelivered, "the delivery names its consumer")
	ok(delivery.Nack(false, true))
	delivery = receive(deliveries)
	check(delivery.Redelivered, "a returned message is marked")
	ok(delivery.Ack(false))
	ok(channel.Cancel("go-tag", false))

	returns := channel.NotifyReturn(make(chan amqp.Return, 1))
	ok(channel.PublishWithContext(background, "", "go-missing", true, false, amqp.Publishing{Body: []byte("back")}))
	back := receive(returns)
	check(back.ReplyCode == 312 && back.ReplyText == "NO_ROUTE" && string(back.Body) == "back", "a mandatory message comes back")

	confirming := must(connection.Channel())
	ok(confirming.Confirm(false))
	var last *amqp.DeferredConfirmation
	for i := 0; i < 500; i++ {
		last = must(confirming.PublishWithDeferredConfirmWithContext(background, "", queue.Name, false, false,
			amqp.Publishing{DeliveryMode: amqp.Persistent, Body: []byte("x")}))
	}
	check(last.Wait() && last.DeliveryTag == 500, "five hundred publishes are confirmed")
	inspected := must(channel.QueueInspect(queue.Name))
	check(inspected.Messages == 500, "and counted")
	check(must(channel.QueuePurge(queue.Name, false)) == 500, "and purged")

	ok(must(connection.Channel()).ExchangeDeclarePassive("go-x", "headers", false, true, false, false, nil))
	refused(must(connection.Channel()).ExchangeDeclare("go-x", "direct", false, true, false, false, nil), 406,
		"PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'go-x' in vhost '/': received 'direct' but current is 'headers'")
	_, err := must(connection.Channel()).QueueDeclarePassive("go-missing", false, false, false, false, nil)
	refused(err, 404, "NOT_FOUND - no queue 'go-missing' in vhost '/'")
	closing := must(connection.Channel())
	closed := closing.NotifyClose(make(chan *amqp.Error, 1))
	ok(closing.PublishWithContext(background, "go-missing", "", false, false, amqp.Publishing{}))
	refused(receive(closed), 404, "NOT_FOUND - no exchange 'go-missing' in vhost '/'")

	cancelled := must(connection.Channel())
	notified := cancelled.NotifyCancel(make(chan string, 1))
	must(cancelled.QueueDeclare("go-passing", false, false, false, false, nil))
	must(cancelled.Consume("go-passing", "watch", true, false, false, false, nil))
	must(channel.QueueDelete("go-passing", false, false, false))
	check(receive(notified) == "watch", "a consumer hears that its queue was deleted")

	_, err = amqp.DialConfig(uri, amqp.Config{Vhost: "nosuch"})
	refused(err, 403, "no access to this vhost")
	_, err = amqp.DialConfig(uri, amqp.Config{SASL: []amqp.Authentication{&amqp.PlainAuth{Username: "guest", Password: "wrong"}}})
	refused(err, 403, "username or password not allowed")
	connected := must(amqp.DialConfig(uri, amqp.Config{SASL: []amqp.Authentication{&amqp.AMQPlainAuth{Username: "guest", Password: "guest"}}}))
	check(!connected.IsClosed(), "AMQPLAIN logs in")
	ok(connected.Close())
	ok(channel.ExchangeDelete("go-x", false, false))
}
