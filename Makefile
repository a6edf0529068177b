# Hexcast. Needs python3 (3.11 or newer, with venv), git and make; PYTHON names another interpreter.
# Where there is Node.js with npm, too, the web client is built and the Postman collection is run.

SHELL := /bin/sh
PYTHON ?= python3
export PYTHON
PY := .venv/bin/python
WEB := entrypoints/http/web
COMPILE := $(PY) -m uv pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-emit-find-links --no-header

# What the functions on AWS never import: servers, codecs of this machine, the command line, and what Litestar has for
# generated examples, its command line and its test client.
NOT_ON_LAMBDA := apsw av boto3 certifi click colorama faker flask-openapi-scalar granian h11 httpcore httpx imageio-ffmpeg \
	litestar-htmx markdown-it-py mdurl polyfactory pygments rich rich-click s3transfer sortedcontainers tzdata \
	uvloop
ARCH ?= x86_64

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run demo cloud test postman check format bench lock web wheel package deploy setup setup-run clean

help: ## print this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1: /p' Makefile

run: setup-run ## start the server on this machine
	@exec $(PY) -m entrypoints.http.serve

demo: setup-run ## start the server with people and videos already there
	@exec $(PY) -m entrypoints.demo

cloud: setup ## start an emulated AWS on this machine with everything deployed on it, until Ctrl-C; nothing is kept
	@exec $(PY) -m tests.cloud

test: setup ## run every test; the core must be covered in full
	@$(PY) -m pytest --cov

postman: setup ## walk the API with the Postman collection, on a fresh server of each offline profile
	@$(PY) -m pytest -rs tests/journey/test_postman.py

check: setup ## lint, format check, types, layers
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy
	@$(PY) -c 'from importlinter.cli import lint_imports_command; lint_imports_command()' --no-cache --no-logo
	@if test -f $(WEB)/node_modules/installed.json; then cd $(WEB) && npm run --silent check; fi

format: setup ## format the code and apply the linter's safe fixes
	@$(PY) -m ruff check --fix-only --quiet .
	@$(PY) -m ruff format .

bench: setup ## run the benchmarks
	@exec $(PY) -m bench

lock: setup ## resolve requirements/*.txt again (UPGRADE=1 takes newer releases)
	@$(COMPILE) $(if $(UPGRADE),--upgrade) pyproject.toml --extra aws --group dev -o requirements/dev.txt
	@$(COMPILE) $(if $(UPGRADE),--upgrade) pyproject.toml --constraint requirements/dev.txt --no-annotate -o requirements/run.txt
	@$(COMPILE) $(if $(UPGRADE),--upgrade) pyproject.toml --extra aws --constraint requirements/dev.txt --no-annotate \
		$(addprefix --no-emit-package ,$(NOT_ON_LAMBDA)) -o requirements/lambda.txt
	@$(COMPILE) $(if $(UPGRADE),--upgrade) --group pyproject.toml:cloud -o requirements/cloud.txt

web: ## build the web client anew
	@rm -f $(WEB)/node_modules/built.txt
	@$(web)

wheel: setup ## build dist/*.whl, with the web client in it
	@rm -rf dist
	@$(PY) -m build --wheel --no-isolation --outdir dist >/dev/null
	@ls dist/*.whl

package: setup ## build/lambda.zip, the code of every function on AWS (ARCH=arm64 for the other kind of processor)
	@$(PY) -m deploy.package --arch $(ARCH)

deploy: setup ## to AWS: STACK=name STAGE=dev|prod PARAMETERS=params.yaml (docs/deploy.md says what goes into it)
	@test -n "$(STACK)" && test -n "$(STAGE)" \
		|| { echo "hexcast: say which stack: make deploy STACK=hexcast STAGE=prod PARAMETERS=params.yaml (docs/deploy.md)" >&2; exit 2; }
	@$(PY) -m deploy.parameters "$(STAGE)" $(if $(PARAMETERS),"$(PARAMETERS)")
	@command -v sam >/dev/null || { echo "hexcast: the AWS SAM CLI is not installed; see docs/deploy.md" >&2; exit 2; }
	@$(PY) -c 'import sys; sys.exit(sys.version_info < (3, 12))' \
		|| { echo "hexcast: Lambda needs Python 3.12 or newer (make clean, then PYTHON=python3.13): see docs/deploy.md" >&2; exit 2; }
	@$(PY) -m deploy.package --arch $(ARCH)
	sam deploy --template-file deploy/template.yaml --stack-name "$(STACK)" --resolve-s3 \
		--capabilities CAPABILITY_IAM CAPABILITY_AUTO_EXPAND --no-fail-on-empty-changeset \
		--parameter-overrides $(if $(PARAMETERS),"file://$(PARAMETERS)") \
		Stage=$(STAGE) Runtime=$$(cat build/lambda.python) Architecture=$(ARCH)

setup: ## make .venv for work on the code, .venv-cloud for the emulated cloud; where there is npm, the web client and newman
	@$(call install,dev,.venv)
	@$(call install,cloud,.venv-cloud)
	@$(newman)
	@$(web)

setup-run: ## make .venv for running only (a .venv for work will do), and the web client where there is npm
	@$(call install,run,.venv)
	@$(web)

clean: ## remove everything that the other targets made, the demo's data too (keeps .hexcast-data)
	@rm -rf .venv .venv-cloud .hexcast-demo $(WEB)/node_modules $(WEB)/dist postman/node_modules postman/files/film.mp4 dist build htmlcov .coverage .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A lock names all there is to install, so pip looks for nothing else (--no-deps).
# installed.txt is the lock that an environment was made from; the dev lock holds the run lock.
define install
current() { $(2)/bin/python -c '' 2>/dev/null && cmp -s "requirements/$$1.txt" $(2)/installed.txt; }; \
if current $(1) || { [ $(1) = run ] && current dev; }; then exit 0; fi; \
command -v "$$PYTHON" >/dev/null 2>&1 \
	|| { echo "hexcast: '$$PYTHON' not found; set PYTHON to a Python 3.11 or newer" >&2; exit 1; }; \
"$$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	|| { echo "hexcast: '$$PYTHON' is older than Python 3.11; set PYTHON to a newer one" >&2; exit 1; }; \
"$$PYTHON" -c 'import venv, ensurepip' 2>/dev/null \
	|| { echo "hexcast: '$$PYTHON' has no venv or ensurepip; on Debian install python3-venv" >&2; exit 1; }; \
echo "hexcast: installing requirements/$(1).txt into $(2) (a minute or two)" >&2; \
if $(2)/bin/python -m pip --version >/dev/null 2>&1; then rm -f $(2)/installed.txt; else "$$PYTHON" -m venv --clear $(2); fi \
	&& $(2)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r "requirements/$(1).txt" \
	&& cp "requirements/$(1).txt" $(2)/installed.txt
endef

# postman/node_modules/installed.json is the lock that it was made from.
define newman
if cmp -s postman/package-lock.json postman/node_modules/installed.json; then exit 0; fi; \
command -v npm >/dev/null 2>&1 \
	|| { echo "hexcast: no npm here, so the Postman collection is not run (on Debian install nodejs and npm)" >&2; exit 0; }; \
echo "hexcast: installing postman/package-lock.json (a few seconds)" >&2; \
(cd postman && npm ci --silent) && cp postman/package-lock.json postman/node_modules/installed.json
endef

# Vite asks for such a Node.js. node_modules/installed.json is the lock that it was made from, and node_modules/built.txt
# says which files the client was built of.
define web
cd $(WEB) && files=$$(find index.html embed.html package-lock.json vite.config.ts public src -type f ! -name schema.d.ts \
	| LC_ALL=C sort | xargs cksum) || exit; \
if test -f dist/index.html && test "$$files" = "$$(cat node_modules/built.txt 2>/dev/null)"; then exit 0; fi; \
command -v npm >/dev/null 2>&1 \
	&& node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 22 || (a == 22 && b > 11) || (a == 20 && b > 18) ? 0 : 1)' \
	|| { echo "hexcast: no npm with Node.js 20.19 or newer here, so the web client is not built and the API is served alone" >&2; exit 0; }; \
if ! cmp -s package-lock.json node_modules/installed.json; then \
	echo "hexcast: installing $(WEB)/package-lock.json (half a minute)" >&2; \
	npm ci --loglevel=error >/dev/null && cp package-lock.json node_modules/installed.json || exit; \
fi; \
echo "hexcast: building the web client (a few seconds)" >&2; \
npm run --silent build >/dev/null && printf '%s\n' "$$files" > node_modules/built.txt
endef
