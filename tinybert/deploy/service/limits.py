"""What a client may ask of the service, and for how long it may keep it waiting."""

MAX_BYTES = 1_000_000  # in a request
MAX_BUFFERED_BYTES = (
    64_000_000  # in all requests in progress; beyond that large ones get status 429
)
READ_BYTES = 8192  # read from a connection at once: in chunks of 1 byte, they take some 15 ms
MAX_TEXTS = 64  # in a request to /predict
MAX_CHARACTERS = 20_000  # in a text

BATCH_SIZE = 32  # texts classified at once
WAIT_SECONDS = 0.002  # how long a text waits for others to fill the batch
MAX_PENDING = 1024  # texts that wait; requests beyond that get status 429

# A teacher is slow, and its memory grows with the texts that it reads at once.
MAX_COMPARED_TEXTS = 16  # in a request to /compare
MAX_COMPARISONS = 4  # requests to /compare, one of them running; those beyond get status 429
COMPARE_BATCH_SIZE = 8  # texts that a model of /compare reads at once

# Twice MAX_CONNECTIONS, and what the process has open besides, fit into OPEN_FILES.
OPEN_FILES = 1024
MAX_CONNECTIONS = 400  # requests on connections beyond that get status 503
MAX_IDLE = 300  # connections without a complete request; beyond that the oldest are closed
RECEIVE_SECONDS = 20  # from a request's first byte, or a new connection, to its last byte
SEND_SECONDS = 30  # for a client to read its response
KEEP_ALIVE_SECONDS = 75  # between two requests on a connection

SHUTDOWN_SECONDS = 8  # for the responses to complete requests
SHUTDOWN_RECEIVE_SECONDS = 1  # for requests of which a part has arrived
