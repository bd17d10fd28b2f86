package images

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// BaseUsuallyTakes is the duration of BuildBase on two cores with a mirror nearby.
const BaseUsuallyTakes = 35 * time.Second

const (
	baseRelease = "bookworm"
	// baseEpoch, the day of the release, stands in for later file times, so that equal packages give equal bytes.
	baseEpoch = "1686355200"
	// baseKeyring holds the keys of all of Debian's releases on every Debian.
	baseKeyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
	// baseCABundle is what apt trusts for mirrors behind TLS. The base gets the machine's, private authorities included.
	baseCABundle = "/etc/ssl/certs/ca-certificates.crt"
)

// baseArgs are the arguments of mmdebstrap that are the same on every machine.
var baseArgs = []string{
	"--variant=apt",
	"--format=tar",
	`--aptopt=Acquire::Languages "none"`,
	`--aptopt=APT::Install-Recommends "false"`,
	`--customize-hook=rm -rf "$1"/usr/share/doc/* "$1"/usr/share/man/* "$1"/usr/share/locale/*`,
}

// BaseImage returns the name of the locally built base, "viot-base:3f0c…". It changes exactly when its recipe does.
func BaseImage() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %s %q", baseRelease, baseEpoch, baseArgs))
	return "viot-base:" + hex.EncodeToString(sum[:])[:12]
}

// BuildBase bootstraps a Debian system with apt, the base of recipes that need one, and writes it to w as a tar
// archive to import into Docker. Packages come from the mirrors in the machine's own apt configuration, through its
// proxies; the base keeps them, so that apt works in builds. It installs nothing: where mmdebstrap is absent its
// package is fetched into a temporary folder.
//
// progress is told each step. An error says what the operator can do; w has then received an incomplete archive.
// When ctx ends, mmdebstrap is interrupted and removes its temporary files before BuildBase returns.
func BuildBase(ctx context.Context, w io.Writer, progress func(step string)) error {
	if err := buildBase(ctx, w, progress); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("build the base image: %w", context.Cause(ctx))
		}
		return fmt.Errorf("build the base image from the packages of Debian: %w"+
			"\nbuild on a Debian machine that can install packages, or make a container registry reachable", err)
	}
	return nil
}

func buildBase(ctx context.Context, w io.Writer, progress func(string)) error {
	mode, err := chrootMode(os.Geteuid())
	if err != nil {
		return err
	}
	for _, program := range []string{"apt-get", "apt-config", "dpkg-deb", "perl", "tar"} {
		if _, err := exec.LookPath(program); err != nil {
			return err
		}
	}
	dir, err := os.MkdirTemp("", "viot-base-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // read by other users: apt's own and those of a user namespace
		return err
	}

	progress("reading the package lists of this machine's mirrors")
	apt, err := newAPT(ctx, dir)
	if err != nil {
		return err
	}
	sources, err := apt.sources(ctx)
	if err != nil {
		return err
	}
	mmdebstrap, err := exec.LookPath("mmdebstrap")
	if err != nil {
		if mmdebstrap, err = fetchMmdebstrap(ctx, apt); err != nil {
			return err
		}
	}
	args := append(slices.Clone(baseArgs), "--mode="+mode)
	if _, err := os.Stat(baseKeyring); err == nil {
		args = append(args, "--keyring="+baseKeyring)
	}
	for line := range strings.Lines(apt.settings) {
		args = append(args, "--aptopt="+strings.TrimSpace(line))
	}
	if files := trustFiles(sources, apt.settings); len(files) > 0 {
		args = append(args, "--customize-hook=cp --dereference --parents "+strings.Join(files, " ")+` "$1"`)
	}
	args = append(args, baseRelease, "-")
	return bootstrap(exec.CommandContext(ctx, mmdebstrap, append(args, sources...)...), w, progress)
}

// chrootMode returns how mmdebstrap gets to be root in the base.
func chrootMode(euid int) (string, error) {
	if euid == 0 {
		return "root", nil
	}
	if _, err := exec.LookPath("newuidmap"); err != nil {
		return "", fmt.Errorf("run as root or install the package uidmap: %w", err)
	}
	return "unshare", nil
}

// fetchMmdebstrap unpacks the package into apt's folder and returns the program's path. It is a Perl script that needs
// no more than Perl and apt.
func fetchMmdebstrap(ctx context.Context, apt apt) (string, error) {
	if _, err := apt.get(ctx, "download", "mmdebstrap"); err != nil {
		return "", err
	}
	packages, err := filepath.Glob(filepath.Join(apt.dir, "mmdebstrap_*.deb"))
	if err != nil || len(packages) != 1 {
		return "", fmt.Errorf("download mmdebstrap: found %d packages, want one", len(packages))
	}
	root := filepath.Join(apt.dir, "mmdebstrap")
	if _, err := run(ctx, "dpkg-deb", nil, "--extract", packages[0], root); err != nil {
		return "", err
	}
	return filepath.Join(root, "usr/bin/mmdebstrap"), nil
}

// trustFiles returns the files with certificates that the base needs to reach sources, if any is behind TLS.
func trustFiles(sources []string, settings string) []string {
	if !strings.Contains(strings.Join(sources, "\n")+settings, "https://") {
		return nil
	}
	candidates := []string{baseCABundle}
	for line := range strings.Lines(settings) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if strings.HasSuffix(strings.ToLower(name), "::cainfo") {
			candidates = append(candidates, strings.Trim(value, `";`))
		}
	}
	return slices.DeleteFunc(candidates, func(path string) bool {
		info, err := os.Stat(path)
		return err != nil || !info.Mode().IsRegular()
	})
}

// bootstrap runs mmdebstrap with its archive going to w and its steps to progress.
func bootstrap(cmd *exec.Cmd, w io.Writer, progress func(string)) error {
	log := &stepLog{progress: progress}
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "SOURCE_DATE_EPOCH="+baseEpoch)
	cmd.Stdout, cmd.Stderr = w, log
	// mmdebstrap waits for its children when interrupted, so the whole group is, as from a terminal.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	cmd.WaitDelay = 30 * time.Second
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("mmdebstrap in %s: %w: %s", os.TempDir(), err, strings.Join(log.complaints, "\n"))
	}
	return nil
}

// stepLog takes what mmdebstrap says: "I: extracting archives..." is a step, and what is no information a complaint.
type stepLog struct {
	progress   func(step string)
	line       []byte   // begun, its end not yet seen
	complaints []string // the last ten
}

// Write implements io.Writer.
func (l *stepLog) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		part, after, ended := bytes.Cut(rest, []byte("\n"))
		l.line, rest = append(l.line, part...), after
		if !ended {
			break
		}
		text := string(l.line)
		l.line = l.line[:0]
		if info, ok := strings.CutPrefix(text, "I: "); !ok {
			l.complaints = append(l.complaints, text)
			l.complaints = l.complaints[max(0, len(l.complaints)-10):]
		} else if step, ok := strings.CutSuffix(info, "..."); ok {
			l.progress(step)
		}
	}
	return len(p), nil
}
