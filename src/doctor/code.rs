//! The kinds of findings. Codes are stable: scripts and alerts name them.

use super::Severity::{self, Critical, High, Info, Low, Medium};

macro_rules! codes {
    ($($name:ident $text:literal $severity:ident $meaning:literal $remedy:literal)*) => {
        /// What kind of thing was found.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $meaning] $name,)*
        }

        impl Code {
            /// Each, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// As reports spell it.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// How bad it usually is.
            #[must_use]
            pub fn severity(self) -> Severity {
                match self { $(Self::$name => $severity,)* }
            }

            /// What it means, for the documentation.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning,)* }
            }

            /// What to do about it, where nothing more is known.
            #[must_use]
            pub fn remedy(self) -> &'static str {
                match self { $(Self::$name => $remedy,)* }
            }
        }
    };
}

codes! {
    DoorGuarded "door-guarded" Info
        "A container that no policy can permit was refused by Postern: the door is guarded"
        "Nothing to do"
    DoorOpen "door-open" Critical
        "A container that no policy can permit would have been let in"
        "Install the webhook configurations, and see what else is found here"
    DoorNotEnforced "door-not-enforced" High
        "Postern was asked, objected, and the container would have been let in nevertheless"
        "Start `postern serve` with `--enforcement Enforce` once the roll-out is done"
    WebhookFailing "webhook-failing" High
        "The API server cannot call the webhook, so every debug container is refused, or passes where failures are ignored"
        "kubectl get pods,endpointslices -n postern-system; kubectl logs -n postern-system deploy/postern"
    RefusedUnjudged "refused-unjudged" Medium
        "Postern refused without judging: it has no policies yet, no ledger, or no time"
        "kubectl logs -n postern-system deploy/postern, and its /readyz"
    MutatingUnanswered "mutating-unanswered" Medium
        "The mutating webhook did not answer, so containers are not hardened and many are refused"
        "kubectl get mutatingwebhookconfigurations postern -o yaml, and compare its clientConfig with the validating one"
    NotTried "not-tried" Medium
        "Whether a container is refused could not be tried"
        "Give a pod with `--pod NAME -n NAMESPACE`"
    TrialRights "trial-rights" Medium
        "Who asked may not add containers at all, or whoever ran this may not act as them, so Postern was never asked"
        "Ask as somebody who may: `--as USER --as-group GROUP`"
    TrialElsewhere "trial-elsewhere" Medium
        "Something else refused before Postern could be asked"
        "Try on another pod: `--pod NAME -n NAMESPACE`"
    DoorsNotCovered "doors-not-covered" Info
        "The other ways into a pod are not judged by this version of Postern"
        "Give `pods/exec`, `pods/attach`, `pods/portforward`, `nodes/proxy` and the creation of pods to few"
    WebhookMissing "webhook-missing" Critical
        "There is no validating webhook configuration of Postern"
        "Apply again what you installed with: `helm upgrade`, `kubectl apply --server-side -k OVERLAY`, or `postern manifests [OVERLAY] | kubectl apply --server-side -f -`"
    MutatingMissing "mutating-missing" Medium
        "There is a validating webhook, but no mutating one: nothing is hardened, so much is refused"
        "Apply again what you installed with: `helm upgrade`, `kubectl apply --server-side -k OVERLAY`, or `postern manifests [OVERLAY] | kubectl apply --server-side -f -`"
    FailurePolicyIgnore "failure-policy-ignore" High
        "The validating webhook lets everything through when it does not answer"
        "Set `failurePolicy: Fail` on the validating webhook"
    RulesMissResource "rules-miss-resource" Critical
        "No rule names `pods/ephemeralcontainers`"
        "Set `resources: [pods/ephemeralcontainers]`, `apiGroups: [\"\"]`"
    RulesMissUpdate "rules-miss-update" Critical
        "The rule for `pods/ephemeralcontainers` leaves out UPDATE, the only operation there is"
        "Set `operations: [UPDATE]`"
    RulesMissVersion "rules-miss-version" Critical
        "The rule for `pods/ephemeralcontainers` is for another version of pods than v1"
        "Set `apiVersions: [v1]`"
    RulesWrongScope "rules-wrong-scope" Critical
        "The rule for `pods/ephemeralcontainers` is for cluster-scoped objects, which pods are not"
        "Set `scope: Namespaced`"
    PathWrong "path-wrong" High
        "A webhook leads to the path of the other one, or to one where Postern does not answer"
        "Let the path of the mutating webhook be `/mutate`, and that of the validating one `/validate`"
    RulesTooWide "rules-too-wide" Low
        "A rule sends more here than Postern judges, so an outage of Postern stops that as well"
        "Let the rules name `pods/ephemeralcontainers` alone"
    MatchPolicyExact "match-policy-exact" Low
        "`matchPolicy: Exact` misses requests that come by another version of the API"
        "Set `matchPolicy: Equivalent`"
    NamespacesExcluded "namespaces-excluded" High
        "A `namespaceSelector` leaves namespaces out; critical where the validating webhook is left none"
        "Remove the `namespaceSelector`; exempt by policy instead"
    PodsExcluded "pods-excluded" High
        "An `objectSelector` leaves pods out, by labels that whoever makes the pod chooses"
        "Remove the `objectSelector`; exempt by policy instead"
    ConditionsExclude "conditions-exclude" Medium
        "`matchConditions` leave requests out; high where it is a group that may add debug containers, critical where one holds for no debugging"
        "Remove what is not meant as the emergency exit"
    ConditionsFail "conditions-fail" High
        "A match condition cannot be evaluated, so Postern is not asked: debug containers are refused, or pass where failures are ignored"
        "Mend the expression, or take the condition away"
    BreakGlass "break-glass" Info
        "`matchConditions` leave out one group, the emergency exit: it has no right to add debug containers, or the condition is called `not-break-glass`"
        "See that few are in the group, and that its use is noticed"
    SideEffects "side-effects" Low
        "The webhook is not declared free of side effects on dry runs, so dry runs are refused"
        "Set `sideEffects: NoneOnDryRun`"
    TimeoutShort "timeout-short" Medium
        "`timeoutSeconds` is not longer than the server's own deadline, so its reasons do not arrive"
        "Set `timeoutSeconds: 3`, or a shorter `--deadline`"
    TimeoutLong "timeout-long" Low
        "`timeoutSeconds` is so long that whoever debugs waits for a webhook that is gone"
        "Set `timeoutSeconds: 3`"
    ReinvocationNever "reinvocation-never" Low
        "What another webhook changes after Postern has hardened a container is not hardened again"
        "Set `reinvocationPolicy: IfNeeded` on the mutating webhook"
    StaleConfiguration "stale-configuration" Medium
        "Another webhook configuration leads to Postern as well"
        "Delete it, or give its name by `--webhook-configurations`"
    CaBundleEmpty "ca-bundle-empty" High
        "The webhook has no `caBundle`, so only the system's authorities are believed"
        "Put the authority's PEM into `clientConfig.caBundle`, or let it be put there"
    CaBundleUnreadable "ca-bundle-unreadable" High
        "The `caBundle` holds no certificate that can be read"
        "Put the authority's PEM into `clientConfig.caBundle`"
    CaBundleExpired "ca-bundle-expired" High
        "Every authority of the `caBundle` is out of date"
        "Issue a new authority: `postern certs`"
    CaBundleExpiring "ca-bundle-expiring" Medium
        "The authority that lasts longest in the `caBundle` ends within 14 days"
        "Issue a new authority: `postern certs`"
    CertificateExpired "certificate-expired" High
        "The certificate that Postern shows is out of date, or not valid yet"
        "Issue a new one: `postern certs`"
    CertificateExpiring "certificate-expiring" Medium
        "The certificate that Postern shows ends within 14 days"
        "Issue a new one: `postern certs`"
    CertificateUntrusted "certificate-untrusted" High
        "The certificate that Postern shows is from another authority than the `caBundle`"
        "Put the authority of the certificate into `clientConfig.caBundle`"
    CertificateWrongName "certificate-wrong-name" High
        "The certificate that Postern shows is for another name than the webhook is called by"
        "Issue it for that name"
    CertificateNotSeen "certificate-not-seen" Info
        "The certificate that Postern shows could not be looked at from here"
        "Run `postern doctor` in the cluster, where the Service's name is known"
    ServiceMissing "service-missing" High
        "The Service that the webhook names does not exist"
        "Apply again what you installed with: `helm upgrade`, `kubectl apply --server-side -k OVERLAY`, or `postern manifests [OVERLAY] | kubectl apply --server-side -f -`"
    ServiceEmpty "service-empty" High
        "The Service that the webhook names has no endpoint that is ready"
        "kubectl get pods -n postern-system"
    ServicePort "service-port" High
        "The Service that the webhook names does not have the port that it names"
        "Let `clientConfig.service.port` be a port of the Service"
    NamespaceMissing "namespace-missing" High
        "The webhook names a Service in a namespace that does not exist"
        "Let `clientConfig.service.namespace` be where Postern is"
    VersionSkew "version-skew" Low
        "The cluster runs another version of Postern than this one"
        "Run the `postern` that belongs to the cluster, or update it"
    FailOpen "fail-open" Medium
        "Since the API server was started, requests have passed because a webhook did not answer"
        "Set `failurePolicy: Fail` on the validating webhook, and see why it did not answer"
    DefinitionMissing "definition-missing" Medium
        "The definition of DebugPolicies is not installed"
        "postern crds | kubectl apply --server-side -f -"
    DefinitionOld "definition-old" Medium
        "The definition of DebugPolicies lacks fields that this version knows"
        "postern crds | kubectl apply --server-side -f -"
    DefinitionNew "definition-new" Low
        "The definition of DebugPolicies has fields that this version does not know"
        "Run the `postern` that belongs to the cluster"
    NoPermit "no-permit" Medium
        "No policy permits anything, so nobody can debug"
        "Apply a DebugPolicy with `effect: Permit` and `enforcement: Enforce`"
    PolicyNotReady "policy-not-ready" Medium
        "A policy is broken, unreadable, expired, or named as one in a file"
        "kubectl describe debugpolicy NAME"
    PolicyNotLoaded "policy-not-loaded" Medium
        "A server judges by an old generation of a policy, or none has loaded it"
        "kubectl get debugpolicy NAME -o yaml, and the log of that server"
    PolicyNotEnforced "policy-not-enforced" Low
        "No policy that requires anything is enforced"
        "Set `enforcement: Enforce` once the roll-out is done"
    PoliciesLoaded "policies-loaded" Info
        "How many policies there are, and which servers have loaded them"
        "Nothing to do"
    FeatureGate "feature-gate" High
        "This Kubernetes serves ephemeral containers only behind a feature gate, and it is off"
        "Start kube-apiserver, kube-scheduler and kubelet with `--feature-gates=EphemeralContainers=true`"
    VersionOld "version-old" Medium
        "This Kubernetes is older than any that Postern is tested with"
        "Update Kubernetes"
    SubresourceMissing "subresource-missing" High
        "The API server does not serve `pods/ephemeralcontainers`"
        "kubectl get --raw /api/v1"
    RbacEverybody "rbac-everybody" Critical
        "A right that leads around Postern is given to everybody"
        "kubectl delete the binding that is named"
    RbacWebhooks "rbac-webhooks" High
        "Who may change webhook configurations, and so take the guard away"
        "Bind it to few; accept those who are meant with `--accept rbac-webhooks`"
    RbacImpersonate "rbac-impersonate" High
        "Who may act as others, whom policies permit more"
        "Bind it to few, with `resourceNames`; accept those who are meant with `--accept rbac-impersonate`"
    RbacGrant "rbac-grant" High
        "Who may `bind` or `escalate` roles, and so take every right there"
        "Bind it to few, with `resourceNames`; accept those who are meant with `--accept rbac-grant`"
    RbacNodes "rbac-nodes" High
        "Who may reach the kubelet through `nodes/proxy`, which is a shell in every pod and no admission"
        "Give `nodes/metrics` or `nodes/stats` instead"
    RbacPostern "rbac-postern" Medium
        "Who may write Secrets, ConfigMaps or workloads in Postern's namespace, and so replace Postern"
        "Bind `edit` and the like per namespace, and not in Postern's"
    RbacSecrets "rbac-secrets" Low
        "Who may read Secrets in Postern's namespace, and so take the keys of its certificate and its ledger"
        "Let few read Secrets everywhere; accept those who are meant with `--accept rbac-secrets`"
    RbacPolicies "rbac-policies" Info
        "Who may write DebugPolicies, and so decide who gets in"
        "Nothing to do where these are meant"
    RbacDebug "rbac-debug" Info
        "Who may add ephemeral containers, if a policy permits it"
        "Nothing to do where these are meant"
    RbacExec "rbac-exec" Info
        "Who may exec into pods, which Postern does not judge"
        "Nothing to do where these are meant"
    RbacAttach "rbac-attach" Info
        "Who may attach to containers, which Postern does not judge"
        "Nothing to do where these are meant"
    RbacPortForward "rbac-port-forward" Info
        "Who may forward ports of pods, which Postern does not judge"
        "Nothing to do where these are meant"
    RbacCreatePods "rbac-create-pods" Info
        "Who may create pods, copies for debugging among them, which Postern does not judge; one in Postern's namespace can mount Postern's Secret"
        "Nothing to do where these are meant"
    RbacAdministrators "rbac-administrators" Info
        "Who may do everything; they are left out of the other lists"
        "Nothing to do where these are meant"
    DebuggerNotAllowed "debugger-not-allowed" Medium
        "A pod has a debug container that nobody could add by the policies of today"
        "kubectl delete pod NAME -n NAMESPACE: a debug container goes with its pod"
    DebuggersNotAll "debuggers-not-all" Info
        "There are more pods than were searched for debug containers"
        "See `postern_unattested_containers_total`; `serve --scan-interval` searches all pods"
    OtherMissesDebug "other-misses-debug" Low
        "Another engine judges pods, but not their debug containers"
        "Add `pods/ephemeralcontainers` to its rules"
    OtherMutates "other-mutates" Info
        "Another mutating webhook may change debug containers as well"
        "Nothing to do where it is meant; `reinvocationPolicy: IfNeeded` has Postern look again"
    NotLookedAt "not-looked-at" Info
        "Something could not be looked at"
        "Give whoever runs this the right that is named"
}
