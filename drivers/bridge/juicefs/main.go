// Command juicefs-adapter puts the released JuiceFS metadata engine behind the driver protocol: JSON-RPC 2.0,
// one object a line, requests on stdin, answers on stdout, logs on stderr.
package main

import (
	"os"
	"strings"

	"github.com/juicedata/juicefs/pkg/utils"
	"github.com/juicedata/juicefs/pkg/version"
	"github.com/sirupsen/logrus"
)

const protocol = 1

var schemes = []string{"redis", "rediss", "unix"}

func engineVersion() string {
	release, _, _ := strings.Cut(version.Version(), "+")
	return release
}

func main() {
	answers := os.Stdout
	os.Stdout = os.Stderr // whatever the engine prints must not fall among the answers
	setUpLogs()
	newService(answers).serve(os.Stdin)
}

// fatal is what a goroutine panics with where the engine would end the process.
type fatal string

func setUpLogs() {
	logger := utils.GetLogger("juicefs") // the one that pkg/meta uses
	logger.SetLevel(logrus.WarnLevel)
	logger.SetFormatter(news{logger})
	logger.AddHook(fatalHook{})
	logger.AddHook(&checkLog)
}

// fatalHook keeps the engine from ending the process because one client cannot connect.
type fatalHook struct{}

func (fatalHook) Levels() []logrus.Level { return []logrus.Level{logrus.FatalLevel} }

func (fatalHook) Fire(entry *logrus.Entry) error { panic(fatal(entry.Message)) }

// news leaves out what would bury the rest, because the end of the log is shown with a failure.
type news struct{ logrus.Formatter }

var stale = []string{
	"AOF is not enabled",      // said of every client: the servers of tests keep nothing
	"redis: client is closed", // by the loops of a client that was let go of, until they notice
}

func (n news) Format(entry *logrus.Entry) ([]byte, error) {
	for _, known := range stale {
		if strings.Contains(entry.Message, known) {
			return nil, nil
		}
	}
	return n.Formatter.Format(entry)
}
