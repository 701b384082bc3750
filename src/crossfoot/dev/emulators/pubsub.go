// A Pub/Sub emulator: Google's fake server for tests at an address, until the process is ended.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"cloud.google.com/go/pubsub/v2/pstest"
	_ "google.golang.org/grpc/encoding/gzip"
)

func main() {
	address := flag.String("address", "127.0.0.1:8085", "where it listens")
	flag.Parse()
	server := pstest.NewServerWithAddress(*address)
	fmt.Println("listening on", server.Addr)
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM, os.Interrupt)
	<-ended
}
