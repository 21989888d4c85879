# CONTEXT is that of a cluster that you have. Its pods know MLflow by another name than config/light.yaml.
CONTEXT ?=
DOWN ?=
export CONTEXT
.PHONY: cluster
cluster: $(READY) ## Kubeflow and MLflow on a small cluster: make cluster (CONTEXT=name, DOWN=1, YES=1)
	@$(CLI) cluster $(if $(filter 1,$(DOWN)),--down) $(if $(filter 1,$(YES)),--yes) $(ARGS)

ifeq ($(MLOPS_ENV),light)
submit schedule compile doctor: export MLOPS_REGISTRY__TRACKING_URI ?= http://mlflow.{{ project_slug }}-light:5000
endif
