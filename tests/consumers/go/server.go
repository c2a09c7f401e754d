// An Anweddol server in Go: answers STAT, refuses every other verb. Each client has its own goroutine.
package main

// #cgo pkg-config: anwdl
// #include <anwdl.h>
import "C"

import (
	"fmt"
	"log"
	"net"
	"os"
	"runtime"
	"syscall"
	"time"
)

// C keeps none of them, so that each is made once.
var (
	messageOK      = C.CString(C.ANWDL_RESPONSE_MSG_OK)
	messageRefused = C.CString(C.ANWDL_RESPONSE_MSG_REFUSED_REQ)
	statistics     = C.CString(`{"uptime": 60, "version": "1.0.0"}`)
)

func failure() string { return C.GoString(C.anwdl_last_error_message()) }

func serve(connection *net.TCPConn, options *C.anwdl_client_options_t) {
	runtime.LockOSThread() // which has the last error
	defer runtime.UnlockOSThread()
	// The client owns its descriptor, and Go the one of the connection.
	fd := -1
	if raw, err := connection.SyscallConn(); err == nil {
		raw.Control(func(own uintptr) { fd, _ = syscall.Dup(int(own)) })
	}
	connection.Close()
	var client *C.anwdl_client_t
	if C.anwdl_client_new(C.int(fd), options, &client) != C.ANWDL_OK { // exchanges the keys too
		log.Print("no session: ", failure())
		syscall.Close(fd)
		return
	}
	defer C.anwdl_client_free(client)
	status := C.anwdl_status_t(C.ANWDL_OK)
	for status == C.ANWDL_OK {
		var request *C.anwdl_request_t
		if status = C.anwdl_client_recv_request(client, false, &request); status != C.ANWDL_OK {
			break
		}
		if C.GoString(C.anwdl_request_get_verb(request)) == "STAT" {
			status = C.anwdl_client_send_response(client, true, messageOK, statistics, nil)
		} else {
			status = C.anwdl_client_send_response(client, false, messageRefused, nil, nil)
		}
		C.anwdl_request_free(request)
	}
	log.Print("session ended: ", failure())
}

func main() {
	var keys *C.anwdl_rsa_wrapper_t
	options := C.anwdl_client_options_new()
	if C.anwdl_rsa_wrapper_new(true, &keys) != C.ANWDL_OK || C.anwdl_client_options_set_rsa_wrapper(options, keys) != C.ANWDL_OK ||
		C.anwdl_client_options_set_timeout(options, 10000) != C.ANWDL_OK || C.anwdl_client_options_set_max_message_size(options, 16384) != C.ANWDL_OK {
		log.Fatal(failure())
	}
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening on", listener.Addr())
	places := make(chan struct{}, 1000) // each client takes a thread, and a Go program that gets none ends
	for {
		places <- struct{}{}
		connection, err := listener.Accept()
		if err != nil { // no descriptors: others may end meanwhile
			log.Print(err)
			time.Sleep(100 * time.Millisecond)
			<-places
			continue
		}
		go func() {
			serve(connection.(*net.TCPConn), options)
			<-places
		}()
	}
}
