"""Tasks for test_kombu.py's Celery worker; PONTOON_TEST_URI says which broker."""
import os
import time

import celery

app = celery.Celery("tasks", broker=os.environ["PONTOON_TEST_URI"], backend="rpc://")
app.conf.update(task_acks_late=True, worker_prefetch_multiplier=1, broker_connection_retry_on_startup=False,
                broker_heartbeat=10, task_serializer="json", result_expires=60)


@app.task
def add(x, y):
    return x + y


@app.task
def when():
    return time.time()


@app.task(bind=True, max_retries=3)
def succeeds_at_the_third_attempt(self):
    if self.request.retries < 2:
        raise self.retry(countdown=0.1)
    return self.request.retries
