// Daily work of the AWS SDK for JavaScript against a running node; bytes are compared. Prints a line of JSON a test for js_sdk_test.py.
//
//   node main.mjs MODULES ENDPOINT ACCESS SECRET KEYS.json      MODULES: the folder that has the package.json
import { createRequire } from "node:module";
import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { Readable } from "node:stream";

const [modules, endpoint, accessKeyId, secretAccessKey, keysPath] = process.argv.slice(2);
const require = createRequire(modules + "/package.json");
const sdk = require("@aws-sdk/client-s3");
const { Upload } = require("@aws-sdk/lib-storage");
const { getSignedUrl } = require("@aws-sdk/s3-request-presigner");

const MIB = 1 << 20;
const KEYS = JSON.parse(readFileSync(keysPath, "utf8"));
const settings = { endpoint, region: "us-east-1", forcePathStyle: true, maxAttempts: 1, credentials: { accessKeyId, secretAccessKey } };
const s3 = new sdk.S3Client(settings);
// A URL is signed before its body is known: the checksum that this SDK would sign into it is that of no body.
const signer = new sdk.S3Client({ ...settings, requestChecksumCalculation: "WHEN_REQUIRED" });
const call = (name, input) => s3.send(new sdk[name + "Command"](input));
const put = (Bucket, Key, Body, more = {}) => call("PutObject", { Bucket, Key, Body, ...more });
const get = async (Bucket, Key, more = {}) => Buffer.from(await (await call("GetObject", { Bucket, Key, ...more })).Body.transformToByteArray());

function same(got, want, what) {
  if (Buffer.isBuffer(got) ? !got.equals(want) : got !== want) {
    throw new Error(`${what}: got ${String(got).slice(0, 200)}, want ${String(want).slice(0, 200)}`);
  }
}

async function fails(name, promise) {
  try {
    await promise;
  } catch (error) {
    return same(error.name, name, "error");
  }
  throw new Error(`no error, wanted ${name}`);
}

async function bucket(name) {
  await call("CreateBucket", { Bucket: name });
  return name;
}

const tests = {
  async sizes() {
    const b = await bucket("sizes");
    for (const size of [0, 1, 4096, 5 * MIB, 100 * MIB]) {
      const data = randomBytes(size);
      await put(b, `o${size}`, data, { ContentType: "text/x-test", Metadata: { colour: "blue" } });
      same(await get(b, `o${size}`), data, `bytes of ${size}`);
      const head = await call("HeadObject", { Bucket: b, Key: `o${size}` });
      same(head.ContentLength, size, "length");
      same(head.Metadata.colour, "blue", "metadata");
      same(head.ETag, `"${createHash("md5").update(data).digest("hex")}"`, "ETag");
    }
  },
  async upload_of_a_stream() {
    const b = await bucket("streams");
    const data = randomBytes(17 * MIB + 5);
    const pieces = function* () {
      for (let at = 0; at < data.length; at += 100000) yield data.subarray(at, at + 100000);
    };
    await new Upload({ client: s3, params: { Bucket: b, Key: "k", Body: Readable.from(pieces()) }, partSize: 5 * MIB, queueSize: 3 }).done();
    same(await get(b, "k"), data, "stream");
    same(await get(b, "k", { Range: `bytes=${5 * MIB - 3}-${5 * MIB + 3}` }), data.subarray(5 * MIB - 3, 5 * MIB + 4), "a range over two parts");
  },
  async keys() {
    const b = await bucket("keys");
    for (const [name, Key] of Object.entries(KEYS)) {
      const data = Buffer.concat([Buffer.from(Key), randomBytes(50)]);
      await put(b, Key, data);
      same(await get(b, Key), data, name);
    }
    const listed = [];
    for await (const page of sdk.paginateListObjectsV2({ client: s3, pageSize: 3 }, { Bucket: b, EncodingType: "url" })) {
      listed.push(...page.Contents.map((item) => decodeURIComponent(item.Key.replaceAll("+", " "))));
    }
    same(listed.sort().join("\n"), Object.values(KEYS).sort().join("\n"), "list");
    const done = await call("DeleteObjects", { Bucket: b, Delete: { Objects: Object.values(KEYS).filter((key) => !key.includes("\u0001")).map((Key) => ({ Key })) } });
    same(done.Errors, undefined, "DeleteObjects");
    await call("DeleteObject", { Bucket: b, Key: KEYS["control byte"] });
    await call("DeleteBucket", { Bucket: b });
  },
  async folders() {
    const b = await bucket("folders");
    for (const key of ["a", "d/1", "d/2", "d/e/3", "z"]) await put(b, key, key);
    const top = await call("ListObjects", { Bucket: b, Delimiter: "/" });
    same(top.Contents.map((o) => o.Key).join(" "), "a z", "objects");
    same(top.CommonPrefixes.map((p) => p.Prefix).join(" "), "d/", "prefixes");
    const folder = await call("ListObjectsV2", { Bucket: b, Delimiter: "/", Prefix: "d/", StartAfter: "d/1" });
    same(folder.Contents.map((o) => o.Key).join(" "), "d/2", "after");
  },
  async copies() {
    const b = await bucket("copies");
    const data = randomBytes(6 * MIB);
    await put(b, "a b+ü%", data, { Metadata: { a: "b" } });
    await call("CopyObject", { Bucket: b, Key: "copy", CopySource: `${b}/${encodeURIComponent("a b+ü%")}` });
    same(await get(b, "copy"), data, "copy");
    same((await call("HeadObject", { Bucket: b, Key: "copy" })).Metadata.a, "b", "metadata");
  },
  async multipart() {
    const b = await bucket("multipart");
    const [first, second] = [randomBytes(5 * MIB), randomBytes(1000)];
    const { UploadId } = await call("CreateMultipartUpload", { Bucket: b, Key: "k" });
    const where = { Bucket: b, Key: "k", UploadId };
    await put(b, "source", first);
    const one = await call("UploadPartCopy", { ...where, PartNumber: 1, CopySource: `${b}/source` });
    const two = await call("UploadPart", { ...where, PartNumber: 2, Body: second });
    same((await call("ListParts", where)).Parts.length, 2, "parts");
    same((await call("ListMultipartUploads", { Bucket: b })).Uploads.length, 1, "uploads");
    const Parts = [{ PartNumber: 1, ETag: one.CopyPartResult.ETag }, { PartNumber: 2, ETag: two.ETag, ChecksumCRC32: two.ChecksumCRC32 }];
    await call("CompleteMultipartUpload", { ...where, MultipartUpload: { Parts } });
    same(await get(b, "k"), Buffer.concat([first, second]), "joined");
    const gone = await call("CreateMultipartUpload", { Bucket: b, Key: "gone" });
    await call("AbortMultipartUpload", { Bucket: b, Key: "gone", UploadId: gone.UploadId });
  },
  async versions() {
    const b = await bucket("versions");
    await call("PutBucketVersioning", { Bucket: b, VersioningConfiguration: { Status: "Enabled" } });
    same((await call("GetBucketVersioning", { Bucket: b })).Status, "Enabled", "versioning");
    const one = await put(b, "k", "one");
    await put(b, "k", "two");
    same((await get(b, "k", { VersionId: one.VersionId })).toString(), "one", "the first");
    await call("DeleteObject", { Bucket: b, Key: "k" });
    const listed = await call("ListObjectVersions", { Bucket: b });
    same(`${listed.Versions.length} ${listed.DeleteMarkers.length}`, "2 1", "versions and markers");
    await fails("NoSuchKey", get(b, "k"));
  },
  async tags_and_attributes() {
    const b = await bucket("tagging");
    const put_ = await put(b, "k", "12345", { Tagging: "a=x%20y" });
    same((await call("GetObjectTagging", { Bucket: b, Key: "k" })).TagSet[0].Value, "x y", "tag");
    await call("PutObjectTagging", { Bucket: b, Key: "k", Tagging: { TagSet: [{ Key: "ä", Value: "<&>" }] } });
    same((await call("GetObjectTagging", { Bucket: b, Key: "k" })).TagSet[0].Value, "<&>", "tag");
    await call("DeleteObjectTagging", { Bucket: b, Key: "k" });
    const got = await call("GetObjectAttributes", { Bucket: b, Key: "k", ObjectAttributes: ["ETag", "ObjectSize"] });
    same(`${got.ETag} ${got.ObjectSize}`, `${put_.ETag.replaceAll('"', "")} 5`, "attributes");
    await call("PutBucketTagging", { Bucket: b, Tagging: { TagSet: [{ Key: "team", Value: "1" }] } });
    same((await call("GetBucketTagging", { Bucket: b })).TagSet[0].Value, "1", "bucket tag");
    await call("DeleteBucketTagging", { Bucket: b });
    same((await call("GetBucketLocation", { Bucket: b })).LocationConstraint ?? "", "", "location");
  },
  async checksums() {
    const b = await bucket("checksums");
    const data = randomBytes(70000);
    for (const kind of ["CRC32", "CRC32C", "SHA1", "SHA256"]) {
      await put(b, kind, data, { ChecksumAlgorithm: kind });
      same(await get(b, kind, { ChecksumMode: "ENABLED" }), data, kind);
    }
    const sum = createHash("sha256").update(data).digest("base64");
    same((await call("HeadObject", { Bucket: b, Key: "SHA256", ChecksumMode: "ENABLED" })).ChecksumSHA256, sum, "SHA256");
  },
  async conditions() {
    const b = await bucket("conditions");
    const { ETag } = await put(b, "k", "1", { IfNoneMatch: "*" });
    await fails("PreconditionFailed", put(b, "k", "2", { IfNoneMatch: "*" }));
    await put(b, "k", "3", { IfMatch: ETag });
    same((await get(b, "k")).toString(), "3", "bytes");
    await fails("PreconditionFailed", get(b, "k", { IfMatch: ETag }));
    await fails("NoSuchBucket", get("never-was", "k"));
  },
  async presigned() {
    const b = await bucket("presigned");
    const data = randomBytes(70000);
    const url = await getSignedUrl(signer, new sdk.PutObjectCommand({ Bucket: b, Key: "a b+ü" }), { expiresIn: 60 });
    same((await fetch(url, { method: "PUT", body: data })).status, 200, "PUT");
    const answer = await fetch(await getSignedUrl(signer, new sdk.GetObjectCommand({ Bucket: b, Key: "a b+ü" }), { expiresIn: 60 }));
    same(Buffer.from(await answer.arrayBuffer()), data, "by URL");
  },
  async policy_and_acl() {
    const b = await bucket("policy");
    await put(b, "open", "1");
    same((await fetch(`${endpoint}/${b}/open`)).status, 403, "before");
    const Policy = JSON.stringify({ Version: "2012-10-17", Statement: [{ Effect: "Allow", Principal: "*", Action: "s3:GetObject", Resource: `arn:aws:s3:::${b}/*` }] });
    await call("PutBucketPolicy", { Bucket: b, Policy });
    same(await (await fetch(`${endpoint}/${b}/open`)).text(), "1", "anonymously");
    same((await call("GetBucketPolicy", { Bucket: b })).Policy, Policy, "policy");
    await call("DeleteBucketPolicy", { Bucket: b });
    await call("PutObjectAcl", { Bucket: b, Key: "open", ACL: "public-read" });
    same(await (await fetch(`${endpoint}/${b}/open`)).text(), "1", "by its ACL");
    same((await call("GetObjectAcl", { Bucket: b, Key: "open" })).Grants.length, 2, "grants");
    same((await call("ListBuckets", {})).Buckets.some((one) => one.Name === b), true, "ListBuckets");
    await call("HeadBucket", { Bucket: b });
  },
};

for (const [test, run] of Object.entries(tests)) {
  const line = { test, ok: true, start: Date.now() };
  try {
    await run();
  } catch (error) {
    Object.assign(line, { ok: false, why: error.stack });
  }
  line.end = Date.now();
  console.log(JSON.stringify(line));
  while (Date.now() === line.end); // no two tests share a millisecond
}
