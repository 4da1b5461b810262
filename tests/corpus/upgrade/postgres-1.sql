-- A ledger as the first version that knew PostgreSQL wrote it (schema 1), from `pg_dump --inserts --no-owner`, without what is for psql alone.

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

SET default_tablespace = '';

SET default_table_access_method = heap;

CREATE TABLE public._sqlx_migrations (
    version bigint NOT NULL,
    description text NOT NULL,
    installed_on timestamp with time zone DEFAULT now() NOT NULL,
    success boolean NOT NULL,
    checksum bytea NOT NULL,
    execution_time bigint NOT NULL
);

CREATE TABLE public.blocks (
    id bigint NOT NULL,
    writer text NOT NULL COLLATE pg_catalog."C",
    first bigint NOT NULL,
    last bigint NOT NULL,
    oldest bigint NOT NULL,
    newest bigint NOT NULL
);

ALTER TABLE public.blocks ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.blocks_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.checkpoints (
    writer text NOT NULL COLLATE pg_catalog."C",
    size bigint NOT NULL,
    "time" bigint NOT NULL,
    note text NOT NULL,
    frontier bytea NOT NULL
);

CREATE TABLE public.cursors (
    target text NOT NULL COLLATE pg_catalog."C",
    writer text NOT NULL COLLATE pg_catalog."C",
    sequence bigint NOT NULL
);

CREATE TABLE public.inbox (
    id text NOT NULL COLLATE pg_catalog."C",
    event text NOT NULL
);

CREATE TABLE public.postings (
    term bigint NOT NULL,
    block bigint NOT NULL
);

CREATE TABLE public.records (
    writer text NOT NULL COLLATE pg_catalog."C",
    sequence bigint NOT NULL,
    id text NOT NULL COLLATE pg_catalog."C",
    "time" bigint NOT NULL,
    username text NOT NULL COLLATE pg_catalog."C",
    namespace text NOT NULL COLLATE pg_catalog."C",
    pod text NOT NULL COLLATE pg_catalog."C",
    answer text NOT NULL COLLATE pg_catalog."C",
    about text COLLATE pg_catalog."C",
    record text NOT NULL COLLATE pg_catalog."C",
    hash bytea NOT NULL,
    CONSTRAINT records_hash_check CHECK ((length(hash) = 32)),
    CONSTRAINT records_sequence_check CHECK ((sequence > 0))
);

CREATE TABLE public.terms (
    id bigint NOT NULL,
    term text NOT NULL COLLATE pg_catalog."C"
);

ALTER TABLE public.terms ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.terms_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.writers (
    writer text NOT NULL COLLATE pg_catalog."C",
    seen bigint NOT NULL
);

INSERT INTO public._sqlx_migrations VALUES (1, 'records', '2026-11-25 22:03:38.876613+00', true, '\x16bb7a160fba14be11d0c7124d24c89152fa4f600b337a6bcd185591112e405395234006134b985bc5a2d4b666eed784', 70938024);

INSERT INTO public.checkpoints VALUES ('postern-0', 1, 1795644218986761443, 'postern.dev/ledger/postern-0
1
ugKjrG4nXvv06t6FZnIq1Pj+Tb/bJ8aJESwpP8goXqc=
time 2026-11-25T22:03:38.986761443Z
chain cff8cef6873b5aeb22182ccc0d2577de78eff212453132417d9ee64c2fd8601a
cluster staging

— postern.dev/ledger sgYwdEhWl0IDPEruBQVLn5YxGfuK/zpidsMN4FNNj34BxlN0OJVeM5GHZ6a/jcggHJkhnMCvxd/opgqJpwRaVwEi4AA=
', '\xba02a3ac6e275efbf4eade8566722ad4f8fe4dbfdb27c689112c293fc8285ea7');
INSERT INTO public.checkpoints VALUES ('postern-0', 11, 1795644226066750736, 'postern.dev/ledger/postern-0
11
rjeo86EM0nWK7lLoFmxbm7U0IxxiANK3REz9zCO+7x0=
time 2026-11-25T22:03:46.066750736Z
chain 9202c94b9fcb05aaf9cd71f0ae6e3cbb5150e3276fd3706b56536b0de94cc8f8
cluster staging

— postern.dev/ledger sgYwdA8yaOXlDwCP2RtYOUnHBDQRLJDgJ/u9xhmlQ/WQLhxyX/Zh8Rd9ZnHqHYpEugW7FdBz/+Y957UOpTqq8B2IoAc=
', '\x04cfcc2b37d941b970a5aceda2dfd351507f74c5766d7a089ed817f021b7cd853db9529b293438817da222c99998a634784b95c17fa89918f999a2080ab03e22e2ad9dd49c27caf22fd388f6bf50b0a7dd895bb3738e6f6ec4aa428ade1c92d4');

INSERT INTO public.records VALUES ('postern-0', 1, '01a214bc-5e63-717c-8ae6-1a4bf1d5bf0c', 1795644218979069524, '', '', '', '', NULL, '{"id":"01a214bc-5e63-717c-8ae6-1a4bf1d5bf0c","time":"2026-11-25T22:03:38.979069524Z","cluster":"staging","writer":"postern-0","sequence":1,"event":"Started","version":"0.1.0","settings":{"checkpoint-interval":"60s","cluster-name":"staging","danger-allow-on-ledger-failure":"false","deadline":"1s","drain-delay":"5s","enforcement":"Enforce","health-listen":"127.0.0.1:19090","ledger":"postgres://postern@127.0.0.1:25439/l","ledger-key":"k.key","listen":"127.0.0.1:18443","log-level":"info","max-in-flight":"256","policies":"policies","tls-cert":"certs/tls.crt","tls-key":"certs/tls.key","writer":"postern-0"}}', '\xcff8cef6873b5aeb22182ccc0d2577de78eff212453132417d9ee64c2fd8601a');
INSERT INTO public.records VALUES ('postern-0', 2, '01a214bc-5e6e-72eb-a36c-fe163ee18dfd', 1795644218990220361, '', '', '', '', NULL, '{"id":"01a214bc-5e6e-72eb-a36c-fe163ee18dfd","time":"2026-11-25T22:03:38.990220361Z","cluster":"staging","writer":"postern-0","sequence":2,"event":"PoliciesChanged","hash":"2fb260d5d7053ee929d5dbd2b7c61444e4aa103656fa820bde45d0594c84f397","total":2,"added":[{"name":"look-around","hash":"769d557b0f1d97ab4441afb62c19bfe5136e91266559319dc4075dd9411d20dd"},{"name":"old-clusters","hash":"2f4e9105aaa6d782d50df47e68eb8624d5d4bebfb023a7f78de00249d9b6d156"}],"removed":[]}', '\x5fea0fc4f96f2fabc104b13603aa02ab32160fe57b599d8ec08f407b87e60308');
INSERT INTO public.records VALUES ('postern-0', 3, '01a214bc-659e-772f-840a-c55d4e2af581', 1795644220821279586, 'alice', 'default', 'tomcat-test', 'Allowed', NULL, '{"id":"01a214bc-659e-772f-840a-c55d4e2af581","time":"2026-11-25T22:03:40.821279586Z","cluster":"staging","writer":"postern-0","sequence":3,"reviewUid":"4b7fd272-6571-4fa5-9174-bb216b7eca4b","phase":"Validate","surface":"EphemeralContainer","operation":"UPDATE","requester":{"username":"alice","uid":"2","groups":["dev","sre","system:authenticated"]},"namespace":"default","pod":{"name":"tomcat-test","uid":"4984caa7-1aac-49a4-b746-b060871b4d45","node":"node-1"},"evidence":{"labels":{"app":"tomcat"},"spec":{"containers":[{"name":"tomcat-java"}],"shareProcessNamespace":true}},"injections":[{"name":"dbg-baseline","image":"busybox:1.36","imageParsed":{"registry":"docker.io","repository":"library/busybox","tag":"1.36"},"target":"tomcat-java","privileges":{"podSecurity":"baseline","privileged":false},"interactive":false,"container":{"imagePullPolicy":"IfNotPresent"},"permittedBy":{"name":"look-around","hash":"769d557b0f1d97ab4441afb62c19bfe5136e91266559319dc4075dd9411d20dd"}}],"injectionsTotal":1,"verdict":"Allowed","answer":"Allowed","enforcement":"Enforce","timings":{"judgeUs":9253}}', '\x77a30b68dac94c60111800696cc49ae0d61a964f2641652a39f555a668d83dc1');
INSERT INTO public.records VALUES ('postern-0', 4, '01a214bc-65c6-727b-8d35-14859d9dc65a', 1795644220869398606, 'alice', 'default', 'tomcat-test', 'Allowed', NULL, '{"id":"01a214bc-65c6-727b-8d35-14859d9dc65a","time":"2026-11-25T22:03:40.869398606Z","cluster":"staging","writer":"postern-0","sequence":4,"reviewUid":"47a626b7-29ce-4ddf-868c-87c13689d975","phase":"Validate","surface":"EphemeralContainer","operation":"UPDATE","requester":{"username":"alice","uid":"2","groups":["dev","sre","system:authenticated"]},"namespace":"default","pod":{"name":"tomcat-test","uid":"4984caa7-1aac-49a4-b746-b060871b4d45","node":"node-1"},"evidence":{"labels":{"app":"tomcat"},"spec":{"containers":[{"name":"tomcat-java"}],"shareProcessNamespace":true}},"injections":[{"name":"dbg-general","image":"busybox:1.36","imageParsed":{"registry":"docker.io","repository":"library/busybox","tag":"1.36"},"target":"tomcat-java","privileges":{"podSecurity":"privileged","privileged":false,"capabilities":["SYS_PTRACE"]},"interactive":false,"container":{"imagePullPolicy":"IfNotPresent","securityContext":{"capabilities":{"add":["SYS_PTRACE"]}}},"permittedBy":{"name":"look-around","hash":"769d557b0f1d97ab4441afb62c19bfe5136e91266559319dc4075dd9411d20dd"}}],"injectionsTotal":1,"verdict":"Allowed","answer":"Allowed","enforcement":"Enforce","timings":{"judgeUs":1366}}', '\xb18c76864bc9c452e5199ed1a19ca5ebcaabe4512732f5f581ab458dd371fac4');
INSERT INTO public.records VALUES ('postern-0', 5, '01a214bc-65f3-7694-97d8-a93ecce4e577', 1795644220912460289, 'alice', 'default', 'tomcat-test', 'Allowed', NULL, '{"id":"01a214bc-65f3-7694-97d8-a93ecce4e577","time":"2026-11-25T22:03:40.912460289Z","cluster":"staging","writer":"postern-0","sequence":5,"reviewUid":"5aa07eab-17fc-4afa-8264-f245049875d1","phase":"Validate","surface":"EphemeralContainer","operation":"UPDATE","requester":{"username":"alice","uid":"2","groups":["dev","sre","system:authenticated"]},"namespace":"default","pod":{"name":"tomcat-test","uid":"4984caa7-1aac-49a4-b746-b060871b4d45","node":"node-1"},"evidence":{"labels":{"app":"tomcat"},"spec":{"containers":[{"name":"tomcat-java"}],"shareProcessNamespace":true}},"injections":[{"name":"dbg-restricted","image":"busybox:1.36","imageParsed":{"registry":"docker.io","repository":"library/busybox","tag":"1.36"},"target":"tomcat-java","privileges":{"podSecurity":"restricted","privileged":false,"runAsNonRoot":true,"allowPrivilegeEscalation":false},"interactive":false,"container":{"imagePullPolicy":"IfNotPresent","securityContext":{"allowPrivilegeEscalation":false,"capabilities":{"drop":["ALL"]},"runAsNonRoot":true,"seccompProfile":{"type":"RuntimeDefault"}}},"permittedBy":{"name":"look-around","hash":"769d557b0f1d97ab4441afb62c19bfe5136e91266559319dc4075dd9411d20dd"},"changes":[{"field":"securityContext.allowPrivilegeEscalation","value":"false"},{"field":"securityContext.seccompProfile","value":"{\"type\":\"RuntimeDefault\"}"}]}],"injectionsTotal":1,"verdict":"Allowed","answer":"Allowed","enforcement":"Enforce","timings":{"judgeUs":3323}}', '\xbb8cfa62a2c1d8ab61b1218d632eab430c72f42c5729d8ea8842f13f5b813ed0');
INSERT INTO public.records VALUES ('postern-0', 6, '01a214bc-6619-7519-8e2f-0082d39c598c', 1795644220951736247, 'alice', 'default', 'tomcat-test', 'Refused', NULL, '{"id":"01a214bc-6619-7519-8e2f-0082d39c598c","time":"2026-11-25T22:03:40.951736247Z","cluster":"staging","writer":"postern-0","sequence":6,"reviewUid":"c5aedffc-2fa9-4266-8bc3-eeddd958a681","phase":"Validate","surface":"EphemeralContainer","operation":"UPDATE","requester":{"username":"alice","uid":"2","groups":["dev","sre","system:authenticated"]},"namespace":"default","pod":{"name":"tomcat-test","uid":"4984caa7-1aac-49a4-b746-b060871b4d45","node":"node-1"},"evidence":{"labels":{"app":"tomcat"},"spec":{"containers":[{"name":"tomcat-java"}],"shareProcessNamespace":true}},"injections":[{"name":"dbg-sysadmin","image":"busybox:1.36","imageParsed":{"registry":"docker.io","repository":"library/busybox","tag":"1.36"},"target":"tomcat-java","privileges":{"podSecurity":"privileged","privileged":true},"interactive":false,"container":{"imagePullPolicy":"IfNotPresent","securityContext":{"privileged":true}}}],"injectionsTotal":1,"verdict":"Refused","answer":"Refused","enforcement":"Enforce","findings":[{"container":"dbg-sysadmin","policy":{"name":"look-around","hash":"769d557b0f1d97ab4441afb62c19bfe5136e91266559319dc4075dd9411d20dd"},"enforcement":"Enforce","constraint":"spec.containers.podSecurity","message":"securityContext.privileged must be left out or false (Pod Security level baseline)"},{"container":"dbg-sysadmin","policy":{"name":"old-clusters","hash":"2f4e9105aaa6d782d50df47e68eb8624d5d4bebfb023a7f78de00249d9b6d156"},"enforcement":"Enforce","constraint":"spec.containers.podSecurity","message":"securityContext.privileged must be left out or false (Pod Security level baseline)"}],"message":"container \"dbg-sysadmin\": securityContext.privileged must be left out or false (Pod Security level baseline)\n  try: kubectl debug tomcat-test -n default --image=busybox:1.36 --profile=general --target=tomcat-java\n  policy look-around (spec.containers.podSecurity), decision 01a214bc-6619-7519-8e2f-0082d39c598c","timings":{"judgeUs":2135}}', '\xbeeab747febaa17dda3a5a1a072ba52e700444ef3234b4ba2bf7d7e999dd3b62');
INSERT INTO public.records VALUES ('postern-0', 7, '01a214bc-663c-7127-b783-cff3f5625bf6', 1795644220985142289, 'alice', 'default', 'payments-api', 'Refused', NULL, '{"id":"01a214bc-663c-7127-b783-cff3f5625bf6","time":"2026-11-25T22:03:40.985142289Z","cluster":"staging","writer":"postern-0","sequence":7,"reviewUid":"98c87184-9198-4371-84b6-c677054e80fe","phase":"Validate","surface":"EphemeralContainer","operation":"UPDATE","requester":{"username":"alice","uid":"2","groups":["dev","sre","system:authenticated"]},"namespace":"default","pod":{"name":"payments-api","uid":"ef834794-308a-45c0-bd71-d71b4b720e1a","node":"node-1"},"evidence":{"labels":{"app":"payments","tier":"backend"},"spec":{"containers":[{"name":"api"},{"name":"proxy"}],"securityContext":{"runAsNonRoot":true,"runAsUser":10001,"seccompProfile":{"type":"RuntimeDefault"}}}},"injections":[{"name":"dbg-custom","image":"busybox","imageParsed":{"registry":"docker.io","repository":"library/busybox","tag":"latest"},"privileges":{"podSecurity":"privileged","privileged":true,"capabilities":["SYS_PTRACE"],"runAsUser":10001,"runAsNonRoot":true},"env":[{"name":"*","source":"secret/db-creds"}],"mounts":[{"volume":"creds","kind":"secret","path":"/steal","writable":true}],"interactive":false,"container":{"imagePullPolicy":"Always","securityContext":{"capabilities":{"add":["SYS_PTRACE"]},"privileged":true}}}],"injectionsTotal":1,"verdict":"Refused","answer":"Refused","enforcement":"Enforce","findings":[{"container":"dbg-custom","policy":{"name":"look-around","hash":"769d557b0f1d97ab4441afb62c19bfe5136e91266559319dc4075dd9411d20dd"},"enforcement":"Enforce","constraint":"spec.containers.podSecurity","message":"securityContext.privileged must be left out or false (Pod Security level baseline)"},{"container":"dbg-custom","policy":{"name":"look-around","hash":"769d557b0f1d97ab4441afb62c19bfe5136e91266559319dc4075dd9411d20dd"},"enforcement":"Enforce","constraint":"spec.containers.env.fromSecrets","message":"variable `*` may not come from secret/db-creds"},{"container":"dbg-custom","policy":{"name":"look-around","hash":"769d557b0f1d97ab4441afb62c19bfe5136e91266559319dc4075dd9411d20dd"},"enforcement":"Enforce","constraint":"spec.containers.volumes.mounts","message":"volume `creds` may not be mounted"}],"message":"container \"dbg-custom\": securityContext.privileged must be left out or false (Pod Security level baseline)\n  also: variable `*` may not come from secret/db-creds\n  also: volume `creds` may not be mounted\n  try: kubectl debug payments-api -n default --image=busybox --profile=general\n  policy look-around (spec.containers.podSecurity), decision 01a214bc-663c-7127-b783-cff3f5625bf6","timings":{"judgeUs":3143}}', '\x4b1ec6e460a6d7f6e8b84a089e0750fd3c9e39f4ae1dceb1c65c883914306b74');
INSERT INTO public.records VALUES ('postern-0', 8, '01a214bc-6654-7748-b4fc-abe380fcfc18', 1795644221011243854, 'alice', 'default', 'tomcat-test', 'Allowed', NULL, '{"id":"01a214bc-6654-7748-b4fc-abe380fcfc18","time":"2026-11-25T22:03:41.011243854Z","cluster":"staging","writer":"postern-0","sequence":8,"reviewUid":"d9f65bdd-1e4a-459b-bf63-a6a90874d47d","phase":"Validate","surface":"EphemeralContainer","operation":"UPDATE","requester":{"username":"alice","uid":"2","groups":["dev","sre","system:authenticated"]},"namespace":"default","pod":{"name":"tomcat-test","uid":"4984caa7-1aac-49a4-b746-b060871b4d45","node":"node-1"},"evidence":{"labels":{"app":"tomcat"},"spec":{"containers":[{"name":"tomcat-java"}],"shareProcessNamespace":true}},"injections":[{"name":"raw1","image":"busybox","imageParsed":{"registry":"docker.io","repository":"library/busybox","tag":"latest"},"privileges":{"podSecurity":"baseline","privileged":false},"command":["sh"],"interactive":true,"container":{"imagePullPolicy":"IfNotPresent","stdin":true,"tty":true},"permittedBy":{"name":"look-around","hash":"769d557b0f1d97ab4441afb62c19bfe5136e91266559319dc4075dd9411d20dd"}}],"injectionsTotal":1,"verdict":"Allowed","answer":"Allowed","enforcement":"Enforce","timings":{"judgeUs":1493}}', '\xf2e56089060c03783d2d1eee03a39cd27f3466d58cdc46864c173495396a18c1');
INSERT INTO public.records VALUES ('postern-0', 9, '01a214bc-666a-7506-8f3f-eb5fa62cc280', 1795644221032562965, 'alice', 'default', 'tomcat-test', 'Refused', NULL, '{"id":"01a214bc-666a-7506-8f3f-eb5fa62cc280","time":"2026-11-25T22:03:41.032562965Z","cluster":"staging","writer":"postern-0","sequence":9,"reviewUid":"1bef7462-6331-43f9-9ccb-d18dfaa63400","phase":"Validate","surface":"EphemeralContainer","operation":"UPDATE","requester":{"username":"alice","uid":"2","groups":["dev","sre","system:authenticated"]},"namespace":"default","pod":{"name":"tomcat-test","uid":"4984caa7-1aac-49a4-b746-b060871b4d45","node":"node-1"},"evidence":{"labels":{"app":"tomcat"},"spec":{"containers":[{"name":"tomcat-java"}],"shareProcessNamespace":true}},"injections":[{"name":"dbg-netadmin","image":"busybox:1.36","imageParsed":{"registry":"docker.io","repository":"library/busybox","tag":"1.36"},"target":"tomcat-java","privileges":{"podSecurity":"privileged","privileged":false,"capabilities":["NET_ADMIN","NET_RAW"]},"interactive":false,"container":{"imagePullPolicy":"IfNotPresent","securityContext":{"capabilities":{"add":["NET_ADMIN","NET_RAW"]}}}}],"injectionsTotal":1,"verdict":"Refused","answer":"Refused","enforcement":"Enforce","findings":[{"container":"dbg-netadmin","policy":{"name":"look-around","hash":"769d557b0f1d97ab4441afb62c19bfe5136e91266559319dc4075dd9411d20dd"},"enforcement":"Enforce","constraint":"spec.containers.podSecurity","message":"capability `NET_ADMIN` may not be added (Pod Security level baseline)"},{"container":"dbg-netadmin","policy":{"name":"look-around","hash":"769d557b0f1d97ab4441afb62c19bfe5136e91266559319dc4075dd9411d20dd"},"enforcement":"Enforce","constraint":"spec.containers.podSecurity","message":"capability `NET_RAW` may not be added (Pod Security level baseline)"},{"container":"dbg-netadmin","policy":{"name":"old-clusters","hash":"2f4e9105aaa6d782d50df47e68eb8624d5d4bebfb023a7f78de00249d9b6d156"},"enforcement":"Enforce","constraint":"spec.containers.podSecurity","message":"capability `NET_ADMIN` may not be added (Pod Security level baseline)"},{"container":"dbg-netadmin","policy":{"name":"old-clusters","hash":"2f4e9105aaa6d782d50df47e68eb8624d5d4bebfb023a7f78de00249d9b6d156"},"enforcement":"Enforce","constraint":"spec.containers.podSecurity","message":"capability `NET_RAW` may not be added (Pod Security level baseline)"}],"message":"container \"dbg-netadmin\": capability `NET_ADMIN` may not be added (Pod Security level baseline)\n  also: capability `NET_RAW` may not be added (Pod Security level baseline)\n  try: kubectl debug tomcat-test -n default --image=busybox:1.36 --profile=general --target=tomcat-java\n  policy look-around (spec.containers.podSecurity), decision 01a214bc-666a-7506-8f3f-eb5fa62cc280","timings":{"judgeUs":1814}}', '\xcab00fe7e74deffb41db713ef9e87e57c6dc577b3de4b80b1a0593e7ffbcbb18');
INSERT INTO public.records VALUES ('postern-0', 10, '01a214bc-667b-7028-bf97-619795d24395', 1795644221050625279, 'alice', 'default', 'tomcat-test', 'Refused', NULL, '{"id":"01a214bc-667b-7028-bf97-619795d24395","time":"2026-11-25T22:03:41.050625279Z","cluster":"staging","writer":"postern-0","sequence":10,"reviewUid":"4e99b6bd-4800-45c6-8f20-553a500a47bb","phase":"Mutate","surface":"EphemeralContainer","operation":"UPDATE","requester":{"username":"alice","uid":"2","groups":["dev","sre","system:authenticated"]},"namespace":"default","pod":{"name":"tomcat-test","uid":"4984caa7-1aac-49a4-b746-b060871b4d45","node":"node-1"},"evidence":{"labels":{"app":"tomcat"},"spec":{"containers":[{"name":"tomcat-java"}],"shareProcessNamespace":true}},"injections":[],"injectionsTotal":0,"verdict":"Refused","answer":"Refused","enforcement":"Enforce","findings":[{"container":"dbg-legacy","enforcement":"Enforce","constraint":"spec.ephemeralContainers[8].name","message":"the name is used by another container"}],"message":"container \"dbg-legacy\": the name is used by another container\n  spec.ephemeralContainers[8].name: choose a name that the pod does not have yet\n  Kubernetes does not accept this, decision 01a214bc-667b-7028-bf97-619795d24395","timings":{"judgeUs":823}}', '\x03c9facf4c9653c54080bf3211d9ea43d639c7f4658776d4c513c5fa39b120df');
INSERT INTO public.records VALUES ('postern-0', 11, '01a214bc-7a09-754c-a134-6e5d4bc253a8', 1795644226057414840, '', '', '', '', NULL, '{"id":"01a214bc-7a09-754c-a134-6e5d4bc253a8","time":"2026-11-25T22:03:46.05741484Z","cluster":"staging","writer":"postern-0","sequence":11,"event":"Stopped"}', '\x9202c94b9fcb05aaf9cd71f0ae6e3cbb5150e3276fd3706b56536b0de94cc8f8');

INSERT INTO public.writers VALUES ('postern-0', 1795644218858617273);

SELECT pg_catalog.setval('public.blocks_id_seq', 1, false);

SELECT pg_catalog.setval('public.terms_id_seq', 1, false);

ALTER TABLE ONLY public._sqlx_migrations
    ADD CONSTRAINT _sqlx_migrations_pkey PRIMARY KEY (version);

ALTER TABLE ONLY public.blocks
    ADD CONSTRAINT blocks_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.blocks
    ADD CONSTRAINT blocks_writer_last_key UNIQUE (writer, last);

ALTER TABLE ONLY public.checkpoints
    ADD CONSTRAINT checkpoints_pkey PRIMARY KEY (writer, size, "time");

ALTER TABLE ONLY public.cursors
    ADD CONSTRAINT cursors_pkey PRIMARY KEY (target, writer);

ALTER TABLE ONLY public.inbox
    ADD CONSTRAINT inbox_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.postings
    ADD CONSTRAINT postings_pkey PRIMARY KEY (term, block);

ALTER TABLE ONLY public.records
    ADD CONSTRAINT records_id_key UNIQUE (id);

ALTER TABLE ONLY public.records
    ADD CONSTRAINT records_pkey PRIMARY KEY (writer, sequence);

ALTER TABLE ONLY public.terms
    ADD CONSTRAINT terms_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.terms
    ADD CONSTRAINT terms_term_key UNIQUE (term);

ALTER TABLE ONLY public.writers
    ADD CONSTRAINT writers_pkey PRIMARY KEY (writer);

CREATE INDEX blocks_newest ON public.blocks USING btree (newest);

CREATE INDEX records_about ON public.records USING btree (about) WHERE (about IS NOT NULL);

CREATE INDEX records_events ON public.records USING btree ("time", id) WHERE (answer = ''::text);

CREATE INDEX records_newest ON public.records USING btree ("time", id) INCLUDE (username, namespace, pod, answer);

CREATE INDEX records_refused ON public.records USING btree ("time", id) WHERE (answer = 'Refused'::text);

CREATE INDEX records_user ON public.records USING btree (username, "time");

