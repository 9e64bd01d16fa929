// Daily work of minio-go against a running node; bytes are compared. Prints a line of JSON a test for minio_go_test.py.
//
//	minio_go ENDPOINT ACCESS SECRET KEYS.json
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"os"
	"sort"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/tags"
)

const mib = 1 << 20

type run struct {
	ctx    context.Context
	client *minio.Client
	core   minio.Core
	keys   map[string]string
	random *rand.Rand
}

func (r *run) bytes(size int) []byte {
	data := make([]byte, size)
	r.random.Read(data)
	return data
}

// must ends the test that called it.
func must(err error, what string) {
	if err != nil {
		panic(fmt.Sprintf("%s: %v", what, err))
	}
}

func same(got, want []byte, what string) {
	if !bytes.Equal(got, want) {
		panic(fmt.Sprintf("%s: got %d bytes, want %d, and they differ", what, len(got), len(want)))
	}
}

func equal[T comparable](got, want T, what string) {
	if got != want {
		panic(fmt.Sprintf("%s: got %v, want %v", what, got, want))
	}
}

func (r *run) bucket(name string) string {
	must(r.client.MakeBucket(r.ctx, name, minio.MakeBucketOptions{}), "MakeBucket")
	return name
}

func (r *run) put(bucket, key string, data []byte, options minio.PutObjectOptions) minio.UploadInfo {
	info, err := r.client.PutObject(r.ctx, bucket, key, bytes.NewReader(data), int64(len(data)), options)
	must(err, "PutObject "+key)
	return info
}

func (r *run) get(bucket, key string, options minio.GetObjectOptions) []byte {
	object, err := r.client.GetObject(r.ctx, bucket, key, options)
	must(err, "GetObject "+key)
	defer object.Close()
	data, err := io.ReadAll(object)
	must(err, "reading "+key)
	return data
}

func (r *run) list(bucket string, options minio.ListObjectsOptions) []string {
	var keys []string
	for object := range r.client.ListObjects(r.ctx, bucket, options) {
		must(object.Err, "ListObjects")
		keys = append(keys, object.Key)
	}
	return keys
}

func (r *run) sizes() {
	b := r.bucket("sizes")
	for _, size := range []int{0, 1, 4096, 5 * mib, 100 * mib} {
		data := r.bytes(size)
		key := fmt.Sprint("o", size)
		r.put(b, key, data, minio.PutObjectOptions{ContentType: "text/x-test", UserMetadata: map[string]string{"Colour": "blue"}})
		same(r.get(b, key, minio.GetObjectOptions{}), data, key)
		info, err := r.client.StatObject(r.ctx, b, key, minio.StatObjectOptions{})
		must(err, "StatObject")
		equal(info.Size, int64(size), "size")
		equal(info.UserMetadata["Colour"], "blue", "metadata")
		equal(info.ContentType, "text/x-test", "content type")
	}
}

func (r *run) streamOfUnknownSize() {
	b := r.bucket("stream")
	data := r.bytes(17*mib + 5)
	_, err := r.client.PutObject(r.ctx, b, "stream", io.MultiReader(bytes.NewReader(data)), -1, minio.PutObjectOptions{PartSize: 5 * mib})
	must(err, "PutObject of a stream")
	same(r.get(b, "stream", minio.GetObjectOptions{}), data, "stream")
}

func (r *run) ranges() {
	b := r.bucket("ranges")
	data := r.bytes(3*mib + 17)
	r.put(b, "k", data, minio.PutObjectOptions{})
	options := minio.GetObjectOptions{}
	must(options.SetRange(mib-1, mib+1), "SetRange")
	same(r.get(b, "k", options), data[mib-1:mib+2], "a range")
	object, err := r.client.GetObject(r.ctx, b, "k", minio.GetObjectOptions{})
	must(err, "GetObject")
	defer object.Close()
	part := make([]byte, 1000)
	_, err = object.ReadAt(part, 2*mib)
	must(err, "ReadAt")
	same(part, data[2*mib:2*mib+1000], "ReadAt")
}

func (r *run) oddKeys() {
	b := r.bucket("keys")
	var want []string
	for name, key := range r.keys {
		data := append([]byte(key), r.bytes(50)...)
		r.put(b, key, data, minio.PutObjectOptions{})
		same(r.get(b, key, minio.GetObjectOptions{}), data, name)
		want = append(want, key)
	}
	sort.Strings(want)
	for _, v1 := range []bool{false, true} {
		got := r.list(b, minio.ListObjectsOptions{Recursive: true, UseV1: v1, MaxKeys: 3})
		equal(strings.Join(got, "\n"), strings.Join(want, "\n"), "list")
	}
	objects := make(chan minio.ObjectInfo, len(want))
	for _, key := range want {
		objects <- minio.ObjectInfo{Key: key}
	}
	close(objects)
	for failed := range r.client.RemoveObjects(r.ctx, b, objects, minio.RemoveObjectsOptions{}) {
		must(failed.Err, "RemoveObjects "+failed.ObjectName)
	}
	equal(len(r.list(b, minio.ListObjectsOptions{Recursive: true})), 0, "left")
	must(r.client.RemoveBucket(r.ctx, b), "RemoveBucket")
}

func (r *run) folders() {
	b := r.bucket("folders")
	for _, key := range []string{"a", "d/1", "d/2", "d/e/3", "z"} {
		r.put(b, key, []byte(key), minio.PutObjectOptions{})
	}
	equal(strings.Join(r.list(b, minio.ListObjectsOptions{}), " "), "a z d/", "top")
	equal(strings.Join(r.list(b, minio.ListObjectsOptions{Prefix: "d/"}), " "), "d/1 d/2 d/e/", "folder")
}

func (r *run) copies() {
	b := r.bucket("copies")
	small, large := r.bytes(5000), r.bytes(6*mib)
	r.put(b, "small +%", small, minio.PutObjectOptions{UserMetadata: map[string]string{"A": "b"}})
	r.put(b, "large", large, minio.PutObjectOptions{})
	_, err := r.client.CopyObject(r.ctx, minio.CopyDestOptions{Bucket: b, Object: "copy"}, minio.CopySrcOptions{Bucket: b, Object: "small +%"})
	must(err, "CopyObject")
	same(r.get(b, "copy", minio.GetObjectOptions{}), small, "copy")
	_, err = r.client.ComposeObject(r.ctx, minio.CopyDestOptions{Bucket: b, Object: "composed"}, minio.CopySrcOptions{Bucket: b, Object: "large"},
		minio.CopySrcOptions{Bucket: b, Object: "large", MatchRange: true, Start: 10, End: 5*mib + 20}, minio.CopySrcOptions{Bucket: b, Object: "small +%"})
	must(err, "ComposeObject")
	same(r.get(b, "composed", minio.GetObjectOptions{}), append(append(append([]byte{}, large...), large[10:5*mib+21]...), small...), "composed")
}

func (r *run) multipart() {
	b := r.bucket("multipart")
	first, second := r.bytes(5*mib), r.bytes(1000)
	upload, err := r.core.NewMultipartUpload(r.ctx, b, "k", minio.PutObjectOptions{})
	must(err, "NewMultipartUpload")
	var parts []minio.CompletePart
	for number, data := range [][]byte{first, second} {
		part, err := r.core.PutObjectPart(r.ctx, b, "k", upload, number+1, bytes.NewReader(data), int64(len(data)), minio.PutObjectPartOptions{})
		must(err, "PutObjectPart")
		parts = append(parts, minio.CompletePart{PartNumber: number + 1, ETag: part.ETag})
	}
	listed, err := r.core.ListObjectParts(r.ctx, b, "k", upload, 0, 10)
	must(err, "ListObjectParts")
	equal(len(listed.ObjectParts), 2, "parts")
	open := 0
	for one := range r.client.ListIncompleteUploads(r.ctx, b, "", true) {
		must(one.Err, "ListIncompleteUploads")
		open++
	}
	equal(open, 1, "uploads")
	_, err = r.core.CompleteMultipartUpload(r.ctx, b, "k", upload, parts, minio.PutObjectOptions{})
	must(err, "CompleteMultipartUpload")
	same(r.get(b, "k", minio.GetObjectOptions{}), append(append([]byte{}, first...), second...), "joined")
	_, err = r.core.NewMultipartUpload(r.ctx, b, "gone", minio.PutObjectOptions{})
	must(err, "NewMultipartUpload")
	must(r.client.RemoveIncompleteUpload(r.ctx, b, "gone"), "RemoveIncompleteUpload")
}

func (r *run) versions() {
	b := r.bucket("versions")
	must(r.client.EnableVersioning(r.ctx, b), "EnableVersioning")
	one, two := r.put(b, "k", []byte("one"), minio.PutObjectOptions{}), r.put(b, "k", []byte("two"), minio.PutObjectOptions{})
	same(r.get(b, "k", minio.GetObjectOptions{VersionID: one.VersionID}), []byte("one"), "the first")
	same(r.get(b, "k", minio.GetObjectOptions{}), []byte("two"), "the newest")
	must(r.client.RemoveObject(r.ctx, b, "k", minio.RemoveObjectOptions{}), "RemoveObject")
	seen, markers := 0, 0
	for object := range r.client.ListObjects(r.ctx, b, minio.ListObjectsOptions{WithVersions: true, Recursive: true}) {
		must(object.Err, "versions")
		seen++
		if object.IsDeleteMarker {
			markers++
		}
	}
	equal(seen, 3, "versions")
	equal(markers, 1, "markers")
	must(r.client.RemoveObject(r.ctx, b, "k", minio.RemoveObjectOptions{VersionID: two.VersionID}), "a version")
	state, err := r.client.GetBucketVersioning(r.ctx, b)
	must(err, "GetBucketVersioning")
	equal(state.Status, "Enabled", "versioning")
}

func (r *run) tagging() {
	b := r.bucket("tagging")
	r.put(b, "k", []byte("1"), minio.PutObjectOptions{UserTags: map[string]string{"a": "x y"}})
	set, err := r.client.GetObjectTagging(r.ctx, b, "k", minio.GetObjectTaggingOptions{})
	must(err, "GetObjectTagging")
	equal(set.ToMap()["a"], "x y", "tag")
	made, err := tags.NewTags(map[string]string{"team": "1"}, true)
	must(err, "NewTags")
	must(r.client.PutObjectTagging(r.ctx, b, "k", made, minio.PutObjectTaggingOptions{}), "PutObjectTagging")
	must(r.client.RemoveObjectTagging(r.ctx, b, "k", minio.RemoveObjectTaggingOptions{}), "RemoveObjectTagging")
	must(r.client.SetBucketTagging(r.ctx, b, made), "SetBucketTagging")
	got, err := r.client.GetBucketTagging(r.ctx, b)
	must(err, "GetBucketTagging")
	equal(got.ToMap()["team"], "1", "bucket tag")
	must(r.client.RemoveBucketTagging(r.ctx, b), "RemoveBucketTagging")
}

func (r *run) conditions() {
	b := r.bucket("conditions")
	options := minio.PutObjectOptions{}
	options.SetMatchETagExcept("*")
	info := r.put(b, "k", []byte("1"), options)
	_, err := r.client.PutObject(r.ctx, b, "k", strings.NewReader("2"), 1, options)
	equal(minio.ToErrorResponse(err).Code, "PreconditionFailed", "If-None-Match")
	read := minio.GetObjectOptions{}
	must(read.SetMatchETag(info.ETag), "SetMatchETag")
	same(r.get(b, "k", read), []byte("1"), "If-Match")
	_, err = r.client.StatObject(r.ctx, b, "none", minio.StatObjectOptions{})
	equal(minio.ToErrorResponse(err).Code, "NoSuchKey", "a missing key")
}

func fetch(method, url string, body []byte) (int, []byte) {
	request, err := http.NewRequest(method, url, bytes.NewReader(body))
	must(err, "request")
	answer, err := http.DefaultClient.Do(request)
	must(err, method)
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	must(err, "body")
	return answer.StatusCode, data
}

func (r *run) presigned() {
	b := r.bucket("presigned")
	data := r.bytes(70000)
	put, err := r.client.PresignedPutObject(r.ctx, b, "a b+ü", time.Minute)
	must(err, "PresignedPutObject")
	status, _ := fetch("PUT", put.String(), data)
	equal(status, 200, "PUT")
	get, err := r.client.PresignedGetObject(r.ctx, b, "a b+ü", time.Minute, nil)
	must(err, "PresignedGetObject")
	status, got := fetch("GET", get.String(), nil)
	equal(status, 200, "GET")
	same(got, data, "by URL")
}

func (r *run) policy() {
	b := r.bucket("policy")
	r.put(b, "open", []byte("1"), minio.PutObjectOptions{})
	url := r.client.EndpointURL().String() + "/policy/open"
	status, _ := fetch("GET", url, nil)
	equal(status, 403, "before")
	text := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["*"]},"Action":["s3:GetObject"],"Resource":["arn:aws:s3:::policy/*"]}]}`
	must(r.client.SetBucketPolicy(r.ctx, b, text), "SetBucketPolicy")
	status, got := fetch("GET", url, nil)
	equal(status, 200, "after")
	same(got, []byte("1"), "anonymously")
	kept, err := r.client.GetBucketPolicy(r.ctx, b)
	must(err, "GetBucketPolicy")
	equal(kept, text, "policy")
}

func (r *run) bucketsOfAll() {
	buckets, err := r.client.ListBuckets(r.ctx)
	must(err, "ListBuckets")
	if len(buckets) < 5 {
		panic("too few buckets")
	}
	there, err := r.client.BucketExists(r.ctx, "sizes")
	must(err, "BucketExists")
	equal(there, true, "sizes")
	there, err = r.client.BucketExists(r.ctx, "never-was")
	must(err, "BucketExists")
	equal(there, false, "never-was")
}

func (r *run) try(name string, test func()) {
	start := time.Now().UnixMilli()
	line := map[string]any{"test": name, "ok": true, "start": start}
	func() {
		defer func() {
			if why := recover(); why != nil {
				line["ok"], line["why"] = false, fmt.Sprint(why)
			}
		}()
		test()
	}()
	end := time.Now().UnixMilli()
	line["end"] = end
	text, _ := json.Marshal(line)
	fmt.Println(string(text))
	for time.Now().UnixMilli() == end { // no two tests share a millisecond
	}
}

func main() {
	text, err := os.ReadFile(os.Args[4])
	must(err, "keys")
	r := run{ctx: context.Background(), random: rand.New(rand.NewSource(7))}
	must(json.Unmarshal(text, &r.keys), "keys")
	options := &minio.Options{Creds: credentials.NewStaticV4(os.Args[2], os.Args[3], ""), MaxRetries: 1}
	r.client, err = minio.New(os.Args[1], options)
	must(err, "client")
	r.core = minio.Core{Client: r.client}
	r.try("sizes", r.sizes)
	r.try("streamOfUnknownSize", r.streamOfUnknownSize)
	r.try("ranges", r.ranges)
	r.try("oddKeys", r.oddKeys)
	r.try("folders", r.folders)
	r.try("copies", r.copies)
	r.try("multipart", r.multipart)
	r.try("versions", r.versions)
	r.try("tagging", r.tagging)
	r.try("conditions", r.conditions)
	r.try("presigned", r.presigned)
	r.try("policy", r.policy)
	r.try("bucketsOfAll", r.bucketsOfAll)
}
