// Judges pods by the Pod Security Standards as upstream wrote them down in code.
//
//	pod-security judge              questions on stdin, answers on stdout, one JSON object a line
//	pod-security fixtures FOLDER    upstream's own cases from its test/testdata, moved
//
// Either begins with a line that says which versions speak.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime/debug"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	kjson "sigs.k8s.io/json"
)

const upstream = "k8s.io/pod-security-admission"

// A pod with all its volumes is some kilobytes; a line may be longer than bufio's 64 KiB.
const longestLine = 4 << 20

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "pod-security: %v\n", err)
		os.Exit(2)
	}
}

func run(args []string) error {
	bench, err := newBench()
	if err != nil {
		return err
	}
	out := bufio.NewWriter(os.Stdout)
	lines := json.NewEncoder(out)
	if err := lines.Encode(about(bench)); err != nil {
		return err
	}
	switch {
	case len(args) == 1 && args[0] == "judge":
		err = judge(bench, out, lines)
	case len(args) == 2 && args[0] == "fixtures":
		err = fixtures(args[1], lines)
	default:
		err = errors.New("want 'judge' or 'fixtures FOLDER'")
	}
	return errors.Join(err, out.Flush())
}

type versions struct {
	// Module is the version of upstream's module.
	Module string `json:"module"`
	// Policy is what `latest` means there: the newest version that changed a check.
	Policy string `json:"policy"`
	// Checks are those that are asked at each level.
	Checks map[api.Level][]policy.CheckID `json:"checks"`
}

func about(bench *bench) versions {
	said := versions{Module: "unknown", Policy: latest().String()}
	said.Checks = map[api.Level][]policy.CheckID{}
	for _, level := range []api.Level{api.LevelBaseline, api.LevelRestricted} {
		bench.judge(question{Level: level})
		said.Checks[level] = bench.asked
	}
	if build, ok := debug.ReadBuildInfo(); ok {
		for _, module := range build.Deps {
			if module.Path == upstream {
				said.Module = module.Version
			}
		}
	}
	return said
}

func latest() api.Version {
	newest := api.MajorMinorVersion(1, 0)
	for _, check := range policy.DefaultChecks() {
		for _, revision := range check.Versions {
			if newest.Older(revision.MinimumVersion) {
				newest = revision.MinimumVersion
			}
		}
	}
	return newest
}

type question struct {
	ID    int        `json:"id"`
	Level api.Level  `json:"level"`
	Pod   corev1.Pod `json:"pod"`
}

type answer struct {
	ID      int         `json:"id"`
	Allowed bool        `json:"allowed"`
	Checks  []complaint `json:"checks"`
}

type complaint struct {
	ID     policy.CheckID `json:"id"`
	Reason string         `json:"reason"`
	Detail string         `json:"detail"`
}

func judge(bench *bench, out *bufio.Writer, lines *json.Encoder) error {
	if err := out.Flush(); err != nil {
		return err
	}
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, longestLine)
	for in.Scan() {
		var asked question
		// A misspelt field would be judged as one left out, by both sides alike.
		strict, err := kjson.UnmarshalStrict(in.Bytes(), &asked)
		if err = errors.Join(append(strict, err)...); err != nil {
			return fmt.Errorf("%w in %s", err, in.Bytes())
		}
		if err := lines.Encode(bench.judge(asked)); err != nil {
			return err
		}
		// Whoever asks waits for this answer before the next question.
		if err := out.Flush(); err != nil {
			return err
		}
	}
	return in.Err()
}

// bench is upstream's evaluator, with an ear at every check: its results do not say whose they are.
type bench struct {
	evaluator policy.Evaluator
	asked     []policy.CheckID
	heard     []complaint
}

func newBench() (*bench, error) {
	b := &bench{}
	checks := policy.DefaultChecks()
	for _, check := range checks {
		for i := range check.Versions {
			inner := check.Versions[i].CheckPod
			check.Versions[i].CheckPod = func(
				meta *metav1.ObjectMeta, spec *corev1.PodSpec,
			) policy.CheckResult {
				b.asked = append(b.asked, check.ID)
				result := inner(meta, spec)
				if !result.Allowed {
					said := complaint{check.ID, result.ForbiddenReason, result.ForbiddenDetail}
					b.heard = append(b.heard, said)
				}
				return result
			}
		}
	}
	evaluator, err := policy.NewEvaluator(checks, nil)
	b.evaluator = evaluator
	return b, err
}

func (b *bench) judge(asked question) answer {
	b.asked, b.heard = nil, []complaint{}
	level := api.LevelVersion{Level: asked.Level, Version: api.LatestVersion()}
	results := b.evaluator.EvaluatePod(level, &asked.Pod.ObjectMeta, &asked.Pod.Spec)
	allowed := policy.AggregateCheckResults(results).Allowed
	return answer{ID: asked.ID, Allowed: allowed, Checks: b.heard}
}
