"""deploy_model: the champion to where the server reads it."""

from kfp.dsl import Input, Model

from blueprint.pipelines import component


@component
def deploy_model(model: Input[Model], version: str, registry: dict, store: str) -> None:
    """Put the exported model into the folder `store`; a running server picks it up.

    `registry` is that section of the configuration: what is no longer the champion stays out.
    Without a `store`, the champion's alias is the deployment, and nothing is copied.
    """
    from blueprint.progress import step

    with step("deploy_model") as say:
        from blueprint.registry.client import Registry
        from blueprint.registry.store import check_registered, deploy

        champion = Registry(**registry).champion()
        if champion and champion.number != version:
            say(f"version {champion.number} is the champion by now: version {version} stays out")
            return
        if not store:
            say(f"version {version} is the champion in the registry; no store is configured")
            return
        check_registered(model.path, version, champion.tags if champion else {})
        deploy(model.path, version, store, registry["name"])
        say(f"version {version} is in service")
