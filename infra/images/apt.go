package images

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// apt is the machine's package manager, kept to a folder of its own: it reads the machine's sources, keys and
// proxies, but runs none of its hooks and leaves its package lists alone.
type apt struct {
	dir      string
	settings string // of the machine that say how its mirrors are reached, as lines of apt.conf
}

// newAPT prepares dir, which must exist, and reads the machine's settings.
func newAPT(ctx context.Context, dir string) (apt, error) {
	dump, err := run(ctx, "apt-config", nil, "dump")
	if err != nil {
		return apt{}, err
	}
	a := apt{dir: dir, settings: mirrorSettings(dump, os.Getenv)}
	for _, sub := range []string{"lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return apt{}, err
		}
	}
	// A file named by APT_CONFIG is read before every other, so that it can rule the others out.
	conf := fmt.Sprintf("Dir::Etc::main \"/dev/null\";\nDir::Etc::parts \"/dev/null\";\n"+
		"Dir::State::lists %q;\nDir::Cache %q;\nAcquire::GzipIndexes \"true\";\n",
		filepath.Join(dir, "lists"), filepath.Join(dir, "cache"))
	return a, os.WriteFile(a.config(), []byte(conf+a.settings), 0o644)
}

func (a apt) config() string { return filepath.Join(a.dir, "apt.conf") }

// get runs apt-get in a's folder and returns what it printed.
func (a apt) get(ctx context.Context, args ...string) (string, error) {
	return run(ctx, "apt-get", func(cmd *exec.Cmd) {
		cmd.Dir = a.dir
		cmd.Env = append(cmd.Env, "APT_CONFIG="+a.config())
	}, args...)
}

// sources downloads the package lists and returns the machine's mirrors of Debian, as lines of sources.list for the
// base's release. Third-party repositories are left out; one that cannot be reached does not matter.
func (a apt) sources(ctx context.Context) ([]string, error) {
	_, updateErr := a.get(ctx, "update")
	targets, err := a.get(ctx, "indextargets", "--format", "$(ORIGIN) $(CREATED_BY) $(COMPONENT) $(CODENAME) $(REPO_URI)")
	if err != nil {
		return nil, err
	}
	lines, err := debianSources(targets, os.ReadFile)
	if err != nil {
		return nil, errors.Join(err, updateErr)
	}
	return lines, nil
}

// settingNames are the settings that decide whether a mirror can be reached and is believed.
var settingNames = regexp.MustCompile(`(?i)^Acquire::((http|https)::(Proxy|CAInfo|Verify-)|Check-|Max-FutureTime|Force|Retries)`)

// mirrorSettings picks the lines that matter for the base from the output of apt-config dump, and adds the proxies
// of the environment, which a build container does not see.
func mirrorSettings(dump string, getenv func(string) string) string {
	var b strings.Builder
	for line := range strings.Lines(dump) {
		if settingNames.MatchString(line) && !strings.HasSuffix(line, "\"\";\n") {
			b.WriteString(line)
		}
	}
	for _, scheme := range []string{"http", "https"} {
		name := "Acquire::" + scheme + "::Proxy "
		if proxy := getenv(scheme + "_proxy"); proxy != "" && !strings.Contains(b.String(), name) {
			fmt.Fprintf(&b, "%s%q;\n", name, proxy)
		}
	}
	return b.String()
}

// debianSources turns index targets, one "origin creator component codename uri" per line, into lines of
// sources.list for the base's release. A mirror list is replaced by its first mirror, as the base lacks the file.
func debianSources(targets string, readFile func(string) ([]byte, error)) ([]string, error) {
	var lines []string
	for target := range strings.Lines(targets) {
		f := strings.Fields(target)
		if len(f) != 5 || f[0] != "Debian" || f[1] != "Packages" || f[2] != "main" {
			continue
		}
		_, part, _ := strings.Cut(f[3], "-")
		uri := f[4]
		if list, ok := strings.CutPrefix(uri, "mirror+file:"); ok {
			data, err := readFile(strings.TrimSuffix(list, "/"))
			if err != nil {
				return nil, fmt.Errorf("read apt's mirror list: %w", err)
			}
			if uri = firstMirror(data); uri == "" {
				return nil, fmt.Errorf("read apt's mirror list %s: it names no mirror", list)
			}
		}
		if !strings.HasPrefix(uri, "http://") && !strings.HasPrefix(uri, "https://") {
			continue // a medium or folder of this machine, out of reach for a build container
		}
		switch part {
		case "":
			lines = append(lines, "deb "+uri+" "+baseRelease+" main")
		case "updates", "security":
			lines = append(lines, "deb "+uri+" "+baseRelease+"-"+part+" main")
		}
	}
	slices.Sort(lines)
	lines = slices.Compact(lines)
	if len(lines) == 0 {
		return nil, errors.New("apt's sources name no mirror of Debian")
	}
	return lines, nil
}

// firstMirror returns the first URI of a mirror list, or nothing.
func firstMirror(list []byte) string {
	for s := bufio.NewScanner(bytes.NewReader(list)); s.Scan(); {
		if f := strings.Fields(s.Text()); len(f) > 0 && !strings.HasPrefix(f[0], "#") {
			return f[0]
		}
	}
	return ""
}

// run executes a program and returns what it printed; its error ends with what the program complained of.
func run(ctx context.Context, name string, adjust func(*exec.Cmd), args ...string) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if adjust != nil {
		adjust(cmd)
	}
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, args[0], err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}
