"""What the tracking image runs: make the bucket of MLflow's files, then become its server."""

import os

import boto3
from botocore.config import Config

# A store that has just started may refuse the first calls.
patient = Config(retries={"mode": "standard", "max_attempts": 8})
bucket = os.environ["MLFLOW_ARTIFACTS_DESTINATION"].removeprefix("s3://").split("/")[0]
s3 = boto3.client("s3", endpoint_url=os.environ["MLFLOW_S3_ENDPOINT_URL"], config=patient)
if bucket not in [each["Name"] for each in s3.list_buckets()["Buckets"]]:
    s3.create_bucket(Bucket=bucket)
command = ["mlflow", "server", "--host", "0.0.0.0", "--port", "5000", "--workers", "1"]
os.execvp(command[0], command)
