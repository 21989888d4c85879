.PHONY: monitor
monitor: $(READY) ## the server in Prometheus, Grafana, with alerts: make monitor PORT=8081
	@$(CLI) monitor $(AT_PORT) $(ARGS)
.PHONY: metrics
metrics: $(READY) ##+ tell Prometheus of the pipeline: make metrics PORT=9102
	@$(CLI) metrics $(AT_PORT) $(ARGS)

lint: lint-rules
.PHONY: lint-rules
lint-rules:
	@if command -v promtool >/dev/null; then promtool test rules monitoring/tests/*.yml; \
	  else echo "no promtool: the alert rules are not tested (Debian: apt install prometheus)"; fi
