package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/pod-security-admission/api"
	"sigs.k8s.io/yaml"
)

// leftOut names the checks whose fixtures say nothing about an ephemeral container, and why.
var leftOut = map[string]string{
	"sysctls":   "about the pod alone: securityContext.sysctls",
	"hostports": "the API forbids ports on an ephemeral container",
	"hostprobesandhostlifecycle": "the API forbids probes and lifecycle hooks on an ephemeral " +
		"container",
}

type fixture struct {
	Name    string      `json:"name"`
	Level   api.Level   `json:"level"`
	Pass    bool        `json:"pass"`
	Pod     *corev1.Pod `json:"pod,omitempty"`
	LeftOut string      `json:"leftOut,omitempty"`
}

// fixtures prints upstream's cases of the latest version, each with its containers as ephemeral
// ones.
func fixtures(folder string, lines *json.Encoder) error {
	for _, level := range []api.Level{api.LevelBaseline, api.LevelRestricted} {
		for _, verdict := range []string{"pass", "fail"} {
			pattern := filepath.Join(folder, string(level), latest().String(), verdict, "*.yaml")
			paths, err := filepath.Glob(pattern)
			if err != nil {
				return err
			}
			if len(paths) == 0 {
				return fmt.Errorf("there is no %s", pattern)
			}
			slices.Sort(paths)
			for _, path := range paths {
				name := strings.TrimSuffix(filepath.Base(path), ".yaml")
				said := fixture{Name: name, Level: level, Pass: verdict == "pass"}
				said.LeftOut = leftOut[strings.TrimRight(name, "0123456789")]
				if said.LeftOut == "" {
					if said.Pod, err = read(path); err != nil {
						return err
					}
					move(said.Pod)
				}
				if err := lines.Encode(said); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func read(path string) (*corev1.Pod, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pod := &corev1.Pod{}
	if err := yaml.UnmarshalStrict(text, pod); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return pod, nil
}

// move makes every container an ephemeral one that mounts all of the pod's volumes, beside a main
// container at which nobody takes offence.
func move(pod *corev1.Pod) {
	spec := &pod.Spec
	for i := range spec.Volumes {
		// As the API server does before it lets anybody judge.
		if spec.Volumes[i].VolumeSource == (corev1.VolumeSource{}) {
			spec.Volumes[i].EmptyDir = &corev1.EmptyDirVolumeSource{}
		}
	}
	for _, container := range slices.Concat(spec.Containers, spec.InitContainers) {
		for _, volume := range spec.Volumes {
			mount := corev1.VolumeMount{Name: volume.Name, MountPath: "/mnt/" + volume.Name}
			container.VolumeMounts = append(container.VolumeMounts, mount)
		}
		spec.EphemeralContainers = append(spec.EphemeralContainers, corev1.EphemeralContainer{
			EphemeralContainerCommon: corev1.EphemeralContainerCommon(container),
		})
	}
	spec.InitContainers = nil
	spec.Containers = []corev1.Container{harmless(spec.OS)}
}

func harmless(system *corev1.PodOS) corev1.Container {
	yes, no := true, false
	security := &corev1.SecurityContext{RunAsNonRoot: &yes}
	// Windows has none of the rest, and the API refuses it there.
	if system == nil || system.Name != corev1.Windows {
		security.AllowPrivilegeEscalation = &no
		security.Capabilities = &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}
		security.SeccompProfile = &corev1.SeccompProfile{
			Type: corev1.SeccompProfileTypeRuntimeDefault,
		}
	}
	return corev1.Container{Name: "main", Image: "registry.k8s.io/pause", SecurityContext: security}
}
