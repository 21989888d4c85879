##@ cloud
.PHONY: infra-plan
infra-plan: $(READY) ## what Terraform would make, and costs; make it: make infra-plan ENV=staging
	@$(CLI) infra-plan

.PHONY: infra-apply
infra-apply: $(READY) ##+ make it, and write it into config/: make infra-apply ENV=staging (YES=1 does not ask)
	@$(CLI) infra-apply $(if $(filter 1,$(YES)),--yes)

.PHONY: infra-destroy
infra-destroy: $(READY) ##- delete all of it that is not protected: make infra-destroy ENV=staging
	@$(CLI) infra-destroy

.PHONY: infra-check
infra-check: $(READY) ##- check infrastructure/terraform without an account
	@$(CLI) infra-check

.PHONY: config
config: $(READY) ##- write what was made into config/: make config ENV=staging
	@$(CLI) config
