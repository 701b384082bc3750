// A Pub/Sub server for benchmarks: it keeps messages in memory, and hands out as many at once as Pub/Sub does, where
// Google's fake server for tests hands out one each ten milliseconds and stream.
package main

import (
	"context"
	"flag"
	"log"
	"net"
	"strconv"
	"sync"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	_ "google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

const (
	messagesMax = 1_000
	bytesMax    = 4 << 20
)

type subscription struct {
	mutex   sync.Mutex
	changed *sync.Cond
	waiting []*pubsubpb.PubsubMessage
	handed  map[string]*pubsubpb.PubsubMessage
	number  uint64
}

// take waits for messages, and hands out some of them; none at the end of the stream.
func (s *subscription) take(ended context.Context) []*pubsubpb.ReceivedMessage {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for len(s.waiting) == 0 {
		if ended.Err() != nil {
			return nil
		}
		s.changed.Wait()
	}
	var taken []*pubsubpb.ReceivedMessage
	for bytes := 0; len(taken) < len(s.waiting) && len(taken) < messagesMax && bytes < bytesMax; {
		message := s.waiting[len(taken)]
		s.number++
		id := strconv.FormatUint(s.number, 10)
		s.handed[id] = message
		taken = append(taken, &pubsubpb.ReceivedMessage{AckId: id, Message: message})
		bytes += len(message.Data)
	}
	s.waiting = s.waiting[len(taken):]
	return taken
}

// giveBack lets what was not acknowledged be handed out again.
func (s *subscription) giveBack(taken []*pubsubpb.ReceivedMessage) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for _, each := range taken {
		if message, ours := s.handed[each.AckId]; ours {
			delete(s.handed, each.AckId)
			s.waiting = append(s.waiting, message)
		}
	}
	s.changed.Broadcast()
}

type server struct {
	pubsubpb.UnimplementedPublisherServer
	pubsubpb.UnimplementedSubscriberServer
	mutex         sync.Mutex
	number        uint64
	topics        map[string][]*subscription
	subscriptions map[string]*subscription
}

func (s *server) CreateTopic(_ context.Context, topic *pubsubpb.Topic) (*pubsubpb.Topic, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if _, there := s.topics[topic.Name]; there {
		return nil, status.Error(codes.AlreadyExists, topic.Name)
	}
	s.topics[topic.Name] = nil
	return topic, nil
}

func (s *server) GetTopic(_ context.Context, asked *pubsubpb.GetTopicRequest) (*pubsubpb.Topic, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if _, there := s.topics[asked.Topic]; !there {
		return nil, status.Error(codes.NotFound, asked.Topic)
	}
	return &pubsubpb.Topic{Name: asked.Topic}, nil
}

func (s *server) ListTopics(context.Context, *pubsubpb.ListTopicsRequest) (*pubsubpb.ListTopicsResponse, error) {
	return &pubsubpb.ListTopicsResponse{}, nil
}

func (s *server) Publish(_ context.Context, asked *pubsubpb.PublishRequest) (*pubsubpb.PublishResponse, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	subscriptions, there := s.topics[asked.Topic]
	if !there {
		return nil, status.Error(codes.NotFound, asked.Topic)
	}
	ids := make([]string, len(asked.Messages))
	for place, message := range asked.Messages {
		s.number++
		ids[place] = strconv.FormatUint(s.number, 10)
		message.MessageId = ids[place]
	}
	for _, each := range subscriptions {
		each.mutex.Lock()
		each.waiting = append(each.waiting, asked.Messages...)
		each.changed.Broadcast()
		each.mutex.Unlock()
	}
	return &pubsubpb.PublishResponse{MessageIds: ids}, nil
}

func (s *server) CreateSubscription(_ context.Context, made *pubsubpb.Subscription) (*pubsubpb.Subscription, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if _, there := s.subscriptions[made.Name]; there {
		return nil, status.Error(codes.AlreadyExists, made.Name)
	}
	one := &subscription{handed: map[string]*pubsubpb.PubsubMessage{}}
	one.changed = sync.NewCond(&one.mutex)
	s.subscriptions[made.Name] = one
	s.topics[made.Topic] = append(s.topics[made.Topic], one)
	return made, nil
}

func (s *server) find(name string) (*subscription, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if one := s.subscriptions[name]; one != nil {
		return one, nil
	}
	return nil, status.Error(codes.NotFound, name)
}

func (s *server) GetSubscription(
	_ context.Context, asked *pubsubpb.GetSubscriptionRequest,
) (*pubsubpb.Subscription, error) {
	_, err := s.find(asked.Subscription)
	return &pubsubpb.Subscription{Name: asked.Subscription}, err
}

func (s *server) StreamingPull(stream pubsubpb.Subscriber_StreamingPullServer) error {
	asked, err := stream.Recv()
	if err != nil {
		return err
	}
	one, err := s.find(asked.Subscription)
	if err != nil {
		return err
	}
	ended := stream.Context()
	go func() {
		<-ended.Done()
		one.giveBack(nil)
	}()
	for {
		taken := one.take(ended)
		if taken == nil {
			return ended.Err()
		}
		if err := stream.Send(&pubsubpb.StreamingPullResponse{ReceivedMessages: taken}); err != nil {
			one.giveBack(taken)
			return err
		}
	}
}

func (s *server) Acknowledge(_ context.Context, asked *pubsubpb.AcknowledgeRequest) (*emptypb.Empty, error) {
	one, err := s.find(asked.Subscription)
	if err != nil {
		return nil, err
	}
	one.mutex.Lock()
	defer one.mutex.Unlock()
	for _, id := range asked.AckIds {
		delete(one.handed, id)
	}
	return &emptypb.Empty{}, nil
}

func (s *server) ModifyAckDeadline(context.Context, *pubsubpb.ModifyAckDeadlineRequest) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}

func main() {
	address := flag.String("address", "127.0.0.1:8085", "where it listens")
	flag.Parse()
	listener, err := net.Listen("tcp", *address)
	if err != nil {
		log.Fatal(err)
	}
	served := &server{topics: map[string][]*subscription{}, subscriptions: map[string]*subscription{}}
	listening := grpc.NewServer(grpc.MaxRecvMsgSize(64 << 20))
	pubsubpb.RegisterPublisherServer(listening, served)
	pubsubpb.RegisterSubscriberServer(listening, served)
	log.Fatal(listening.Serve(listener))
}
