// Takes SeaweedFS's variables for its keys, and ignores its arguments.
const { DUMMY_ACCOUNT } = require("s3rver/lib/models/account");
const S3rver = require("s3rver");

DUMMY_ACCOUNT.createKeyPair(process.env.AWS_ACCESS_KEY_ID, process.env.AWS_SECRET_ACCESS_KEY);
const server = new S3rver({ address: "0.0.0.0", port: 8333, directory: "/data", vhostBuckets: false });
server.run();
process.on("SIGTERM", () => process.exit(0));
