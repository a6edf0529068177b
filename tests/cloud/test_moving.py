"""From one machine to the cloud and back, by the command line, with the template deployed and its functions at work."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import httpx
from click.testing import CliRunner, Result

from entrypoints import cli
from tests.adapters.houses import furnished
from tests.cloud.deployment import Deployment, deploy
from tests.cloud.world import REGION, ROOT_KEY, stack

PASSWORD = "another horse battery"
LOOKS = 500
"""So often is asked whether an event was dealt with: each call takes its time."""


def settings(made: Deployment) -> Mapping[str, str]:
    """What docs/deploy.md has the operator say."""
    return {
        "HEXCAST_PROFILE": "aws", "AWS_REGION": REGION, "AWS_ACCESS_KEY_ID": ROOT_KEY, "AWS_SECRET_ACCESS_KEY": "test",
        "HEXCAST_AWS_ENDPOINT_URL": stack().endpoint, "HEXCAST_AWS_TABLES": f"{made.name}-",
        "HEXCAST_AWS_RAW_BUCKET": made.outputs["RawBucket"], "HEXCAST_AWS_MEDIA_BUCKET": made.outputs["MediaBucket"],
        "HEXCAST_AWS_POOL_ID": made.outputs["PoolId"], "HEXCAST_AWS_CLIENT_ID": made.outputs["ClientId"],
    }  # fmt: skip


def hexcast(*arguments: object, env: Mapping[str, str] | None = None) -> Result:
    return CliRunner().invoke(cli.cli, [str(each) for each in arguments], prog_name="hexcast", env=env)


def ok(*arguments: object, env: Mapping[str, str] | None = None) -> Result:
    result = hexcast(*arguments, env=env)
    assert result.exit_code == 0, result.output
    return result


def grant_a_role(cloud: Mapping[str, str], ann: str) -> None:
    """By whatever names her; her profile says so."""
    for who in (ann, " Ann@Example.com", "@Ann"):
        told = json.loads(ok("admin", "grant", who, "moderator", "--json", env=cloud).stdout)
        assert told == {"id": ann, "handle": "ann", "roles": ["moderator", "user"]}
        told = json.loads(ok("admin", "grant", who, "moderator", "--revoke", "--json", env=cloud).stdout)
        assert told["roles"] == ["user"]
    nobody = hexcast("admin", "grant", "cho", "admin", env=cloud)
    assert (nobody.exit_code, "handle is cho" in nobody.stderr) == (1, True)


def test_a_house_moves_to_the_cloud_and_back(tmp_path: Path) -> None:
    """People come with a new password, channels are found by their words, and all that comes back is sound."""
    deployed = deploy(stack(), "hexcast-moving")
    cloud = settings(deployed)
    with furnished(tmp_path / "here") as house:
        ok("--data", house.data, "export", tmp_path / "here.jsonl")
    first = json.loads(ok("import", tmp_path / "here.jsonl", "--json", env=cloud).stdout)
    again = hexcast("import", tmp_path / "here.jsonl", env=cloud)
    assert (again.exit_code, again.stderr) == (1, "hexcast: the cloud is not empty; nothing was imported\n")

    with httpx.Client(base_url=deployed.url, timeout=60) as http:
        email = "ann@example.com"
        assert http.post("/v1/auth/forgot-password", json={"email": email}).is_success
        code = next(mail["code"] for mail in stack().mail(email) if mail["pool"] == deployed.outputs["PoolId"])
        reset = {"email": email, "code": code, "password": PASSWORD}
        assert http.post("/v1/auth/reset-password", json=reset).is_success
        tokens = http.post("/v1/auth/sign-in", json={"email": email, "password": PASSWORD}).json()
        me = http.get("/v1/me", headers={"Authorization": f"Bearer {tokens['access_token']}"}).json()
        assert me["handle"] == "ann"
        grant_a_role(cloud, me["id"])
        looks = (http.get("/v1/search", params={"q": "cats"}).json()["data"] for _ in range(LOOKS))
        assert next((found for found in looks if found), None), stack().log()[-2000:]

    ok("export", tmp_path / "there.jsonl", env=cloud)
    back = json.loads(ok("--data", tmp_path / "back", "import", tmp_path / "there.jsonl", "--json").stdout)
    assert back["records"] <= first["records"]
    shutil.copytree(house.media, tmp_path / "back" / "media", dirs_exist_ok=True)
    assert json.loads(ok("--data", tmp_path / "back", "check", "--json").stdout)["flaws"] == []
