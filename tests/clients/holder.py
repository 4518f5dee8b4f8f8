"""A client that holds an exclusive queue and unacknowledged messages until somebody ends it (for test_connections.py).

Usage: holder.py URI QUEUE COUNT: takes COUNT messages of QUEUE, prints the name of its exclusive queue, and waits.
"""
import sys

import pika

channel = pika.BlockingConnection(pika.URLParameters(sys.argv[1])).channel()
exclusive = channel.queue_declare("", exclusive=True).method.queue
taken = []


def take(_channel, method, _properties, _body):
    taken.append(method.delivery_tag)
    if len(taken) == int(sys.argv[3]):
        print(exclusive, flush=True)


channel.basic_consume(sys.argv[2], take)
channel.start_consuming()
