#!/usr/bin/env node
// An Anweddol server in Node: answers STAT, refuses every other verb. A session without a descriptor leaves the socket
// to Node, and the long computations of the key exchange run on another thread.
const net = require('node:net');
const { promisify } = require('node:util');
const koffi = require('koffi');
const anwdl = require('./anwdl').load(process.env.ANWDL_HEADER ?? '/usr/local/include/anwdl.h');

const compute = promisify(anwdl.anwdl_session_compute.async);

function check(status) {
  if (status < anwdl.ANWDL_OK) throw new Error(anwdl.anwdl_last_error_message());
  return status;
}

function made(make) {
  const out = [null];
  check(make(out));
  return out[0];
}

// Waits for the peer. When the session's time is over, the socket is closed, and what waits for it fails.
async function inTime({ session, socket }, peer) {
  const left = anwdl.anwdl_session_get_time_left(session);
  const timer = left < 0 ? null : setTimeout(() => socket.destroy(), left);
  return peer.finally(() => clearTimeout(timer));
}

// Calls an operation until it is done, and moves what it has to send and to receive.
async function complete(connection, operation) {
  const { session, socket, chunks } = connection;
  for (;;) {
    check(anwdl.anwdl_session_set_time(session, Math.trunc(performance.now())));
    const status = check(operation());
    const [bytes, count, taken] = [[null], [0], [0]];
    check(anwdl.anwdl_session_get_pending(session, bytes, count));
    if (count[0] > 0) {
      const copy = Buffer.from(koffi.view(bytes[0], count[0]).slice(0));
      await inTime(connection, promisify(socket.write.bind(socket))(copy));
    }
    check(anwdl.anwdl_session_sent(session, count[0]));
    if (status === anwdl.ANWDL_OK) return;
    if (status === anwdl.ANWDL_WANT_COMPUTATION) check(await compute(session));
    if (status !== anwdl.ANWDL_WANT_READ) continue;
    if (connection.input.length === 0) connection.input = (await inTime(connection, chunks.next())).value ?? null;
    check(anwdl.anwdl_session_set_time(session, Math.trunc(performance.now())));
    if (connection.input === null) check(anwdl.anwdl_session_feed_end(session));
    else check(anwdl.anwdl_session_feed(session, connection.input, connection.input.length, taken));
    connection.input = connection.input?.subarray(taken[0]) ?? '';
  }
}

async function serve(connection) {
  const { session } = connection;
  const request = [null];
  await complete(connection, () => anwdl.anwdl_session_exchange_keys(session, true));
  for (;;) {
    await complete(connection, () => anwdl.anwdl_session_recv_request(session, false, request));
    const answer = anwdl.anwdl_request_get_verb(request[0]) === 'STAT'
      ? [true, anwdl.ANWDL_RESPONSE_MSG_OK, '{"uptime": 60, "version": "1.0.0"}', null]
      : [false, anwdl.ANWDL_RESPONSE_MSG_REFUSED_REQ, null, null];
    anwdl.anwdl_request_free(request[0]);
    await complete(connection, () => anwdl.anwdl_session_send_response(session, ...answer));
  }
}

const options = anwdl.anwdl_client_options_new();
check(anwdl.anwdl_client_options_set_rsa_wrapper(options, made((out) => anwdl.anwdl_rsa_wrapper_new(true, out))));
check(anwdl.anwdl_client_options_set_separate_computation(options, true));
check(anwdl.anwdl_client_options_set_timeout(options, 10000));
check(anwdl.anwdl_client_options_set_max_message_size(options, 16384));
const server = net.createServer((socket) => {
  const session = made((out) => anwdl.anwdl_session_new(anwdl.ANWDL_ROLE_SERVER, options, out));
  serve({ session, socket, chunks: socket[Symbol.asyncIterator](), input: '' })
    .catch((error) => console.error('session ended:', error.message))
    .finally(() => { anwdl.anwdl_session_free(session); socket.destroy(); });
});
server.listen(Number(process.argv[2]), '127.0.0.1', () => console.log(`listening on 127.0.0.1:${server.address().port}`));
