#!/usr/bin/env php
<?php
// An Anweddol server in PHP: answers STAT, refuses every other verb. Each client has its own fiber, and a session
// without a descriptor, as PHP does not tell those of its streams.

// FFI reads C, but knows no preprocessor. To it, only `char *` takes a string.
function load(string $header, ?array &$texts): FFI
{
    $declarations = preg_replace('~/\*.*?\*/~s', '', file_get_contents($header));
    preg_match_all('/^#define (ANWDL_\w+) "(.*)"$/m', $declarations, $found);
    $texts = array_combine($found[1], $found[2]);
    $for_compilers = ['/^#ifdef __cplusplus.*?^#endif/ms', '/^#(?:.*\\\\\n)*.*$/m', '/ANWDL_(MUST_USE|INT_ENUM)|ANWDL_(DEPRECATED|DEALLOC)\(.*?\)/'];
    return FFI::cdef(str_replace('const uint8_t *', 'const char *', preg_replace($for_compilers, '', $declarations)), 'libanwdl.so.0');
}

$anwdl = load(getenv('ANWDL_HEADER') ?: '/usr/local/include/anwdl.h', $texts);

function check(int $status): void
{
    global $anwdl;
    if ($status < $anwdl->ANWDL_OK) {
        throw new RuntimeException($anwdl->anwdl_last_error_message());
    }
}

// What a function writes through a pointer is in its cdata.
function output(string $type): FFI\CData
{
    global $anwdl;
    return $anwdl->new($type);
}

function answer(FFI\CData $session, ?string $verb): void
{
    global $anwdl, $texts;
    check($anwdl->anwdl_session_send_response($session, ...match ($verb) {
        'STAT' => [true, $texts['ANWDL_RESPONSE_MSG_OK'], '{"uptime": 60, "version": "1.0.0"}', null],
        null => [false, $texts['ANWDL_RESPONSE_MSG_BAD_REQ'], null, null],
        default => [false, $texts['ANWDL_RESPONSE_MSG_REFUSED_REQ'], null, null],
    }));
}

// Suspends its fiber for as long as the session has to wait.
function serve($stream, FFI\CData $session): void
{
    global $anwdl;
    [$input, $taken, $bytes, $length, $request] = ['', output('size_t'), output('const char *'), output('size_t'), output('anwdl_request_t *')];
    for (;;) {
        switch ($anwdl->anwdl_session_next_event($session, FFI::addr($request), null)) {
            case $anwdl->ANWDL_EVENT_WANT_READ:
                if ($input === '') {
                    Fiber::suspend('read');
                    $input = (string) fread($stream, 4096);
                }
                if ($input === '' && feof($stream)) {
                    check($anwdl->anwdl_session_feed_end($session));
                }
                check($anwdl->anwdl_session_feed($session, $input, strlen($input), FFI::addr($taken)));
                $input = substr($input, $taken->cdata);
                break;
            case $anwdl->ANWDL_EVENT_WANT_WRITE:
                check($anwdl->anwdl_session_get_pending($session, FFI::addr($bytes), FFI::addr($length)));
                $sent = @fwrite($stream, FFI::string($bytes, $length->cdata));
                if ($sent === false) { // not 0, which is a socket that takes nothing yet
                    throw new RuntimeException('the client has left');
                }
                check($anwdl->anwdl_session_sent($session, $sent));
                Fiber::suspend('write');
                break;
            case $anwdl->ANWDL_EVENT_REQUEST:
                answer($session, $anwdl->anwdl_request_get_verb($request));
                $anwdl->anwdl_request_free($request);
                break;
            case $anwdl->ANWDL_EVENT_MALFORMED_REQUEST:
                answer($session, null);
                break;
            case $anwdl->ANWDL_EVENT_EXCHANGED:
            case $anwdl->ANWDL_EVENT_RESPONSE_SENT:
                break;
            default:
                throw new RuntimeException($anwdl->anwdl_last_error_message());
        }
    }
}

$keys = output('anwdl_rsa_wrapper_t *');
$options = $anwdl->anwdl_client_options_new();
check($anwdl->anwdl_rsa_wrapper_new(true, FFI::addr($keys)));
check($anwdl->anwdl_client_options_set_rsa_wrapper($options, $keys));
check($anwdl->anwdl_client_options_set_timeout($options, 10000));
check($anwdl->anwdl_client_options_set_max_message_size($options, 16384));
$listener = stream_socket_server("tcp://127.0.0.1:$argv[1]");
echo 'listening on ', stream_socket_get_name($listener, false), "\n";
$clients = [];
for (;;) {
    [$read, $write, $urgent] = [['listener' => $listener], [], null];
    foreach ($clients as $id => [$stream, , , $wanted]) {
        $wanted === 'read' ? $read[$id] = $stream : $write[$id] = $stream;
    }
    stream_select($read, $write, $urgent, 1);
    if (isset($read['listener']) && !$stream = @stream_socket_accept($listener, 0)) {
        usleep(10000); // no descriptors: others may end meanwhile
    } elseif (isset($read['listener'])) {
        stream_set_blocking($stream, false);
        $session = output('anwdl_session_t *');
        check($anwdl->anwdl_session_new($anwdl->ANWDL_ROLE_SERVER, $options, FFI::addr($session)));
        $clients[] = [$stream, $session, new Fiber('serve'), 'write'];
    }
    foreach ($clients as $id => [$stream, $session, $fiber]) {
        $anwdl->anwdl_session_set_time($session, intdiv(hrtime(true), 1000000));
        if (!isset($read[$id]) && !isset($write[$id]) && $anwdl->anwdl_session_get_time_left($session) !== 0) {
            continue;
        }
        try {
            $clients[$id][3] = $fiber->isStarted() ? $fiber->resume() : $fiber->start($stream, $session);
        } catch (RuntimeException $exception) {
            fwrite(STDERR, 'session ended: ' . $exception->getMessage() . "\n");
            $anwdl->anwdl_session_free($session);
            fclose($stream);
            unset($clients[$id]);
        }
    }
}
