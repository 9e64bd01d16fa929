#include "cli/s3_client.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <mutex>
#include <thread>

namespace flashstor::cli {
namespace {

/// Answers each connection with the next of its raw answers, and keeps what was asked.
class ScriptedServer {
 public:
  explicit ScriptedServer(std::vector<std::string> answers) : answers_(std::move(answers)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    EXPECT_EQ(::listen(listener_, 16), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~ScriptedServer() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }
  [[nodiscard]] Alias alias() const {
    return {"fake",
            Url::parse("http://127.0.0.1:" + std::to_string(port_)).value(),
            {"AK", "SK", {}},
            "us-east-1",
            {}};
  }
  std::vector<std::string> requests() {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  void serve() {
    for (const std::string& answer : answers_) {
      const int connection = ::accept(listener_, nullptr, nullptr);
      if (connection < 0) return;
      std::string request = read_request(connection);
      {
        const std::lock_guard lock(mutex_);
        requests_.push_back(std::move(request));
      }
      ::send(connection, answer.data(), answer.size(), MSG_NOSIGNAL);
      ::shutdown(connection, SHUT_WR);
      char rest[256];
      while (::recv(connection, rest, sizeof rest, 0) > 0) {
      }
      ::close(connection);
    }
  }
  /// Head and, with a Content-Length, the body.
  static std::string read_request(int connection) {
    std::string text;
    char block[4096];
    for (;;) {
      const ssize_t got = ::recv(connection, block, sizeof block, 0);
      if (got <= 0) return text;
      text.append(block, static_cast<std::size_t>(got));
      const auto end = text.find("\r\n\r\n");
      if (end == std::string::npos) continue;
      const auto at = text.find("Content-Length: ");
      const std::size_t body = at < end ? std::strtoul(text.c_str() + at + 16, nullptr, 10) : 0;
      if (text.size() >= end + 4 + body) return text;
    }
  }
  std::vector<std::string> answers_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::mutex mutex_;
  std::vector<std::string> requests_;
  std::thread thread_;
};

std::string answer(int status, std::string body, std::string headers = {}) {
  return "HTTP/1.1 " + std::to_string(status) +
         " x\r\nConnection: close\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + headers +
         "\r\n" + body;
}

const std::string kBusy = answer(503, "<Error><Code>SlowDown</Code></Error>");

TEST(S3Client, RepeatsWhenTheServerIsBusy) {
  ScriptedServer server({kBusy, kBusy, answer(200, "", "ETag: \"e\"\r\n")});
  HttpClient http({});
  S3Client client(server.alias(), http);
  std::string body = "hello";
  const auto reader = [&](std::uint64_t offset, std::span<char> into) -> Result<std::size_t> {
    const std::size_t count = std::min(into.size(), body.size() - offset);
    std::memcpy(into.data(), body.data() + offset, count);
    return count;
  };
  EXPECT_EQ(client.put_object("b", "a key/+", {}, reader, body.size()), "e");
  const auto requests = server.requests();
  ASSERT_EQ(requests.size(), 3U);
  for (const std::string& request : requests) {
    EXPECT_TRUE(request.starts_with("PUT /b/a%20key/%2B HTTP/1.1\r\n")) << request;
    EXPECT_TRUE(request.ends_with("\r\n\r\nhello")) << request;
    EXPECT_NE(request.find(
                  "x-amz-content-sha256: 2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"),
              std::string::npos);
  }
}

TEST(S3Client, DoesNotRepeatARefusal) {
  ScriptedServer server({answer(403, "<Error><Code>AccessDenied</Code><Message>no</Message></Error>")});
  HttpClient http({});
  S3Client client(server.alias(), http);
  EXPECT_EQ(client.list_buckets().error().code(), ErrorCode::kAccessDenied);
  EXPECT_EQ(server.requests().size(), 1U);
}

TEST(S3Client, TakesUpABrokenDownload) {
  const std::string broken = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabcd";
  const std::string rest = answer(206, "efghij");
  ScriptedServer server({broken, rest});
  HttpClient http({});
  S3Client client(server.alias(), http);
  std::string got;
  const auto done =
      client.get_object("b", "k", {.if_match = "e"}, [&](std::string_view bytes) -> Result<void> {
        got.append(bytes);
        return {};
      });
  EXPECT_TRUE(done);
  EXPECT_EQ(got, "abcdefghij");
  const auto requests = server.requests();
  ASSERT_EQ(requests.size(), 2U);
  EXPECT_EQ(requests[0].find("Range:"), std::string::npos);
  EXPECT_NE(requests[1].find("Range: bytes=4-\r\n"), std::string::npos);
  EXPECT_NE(requests[1].find("If-Match: \"e\"\r\n"), std::string::npos);
}

TEST(S3Client, ABrokenDownloadOfAnUnknownObjectFails) {
  ScriptedServer server({"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabcd"});
  HttpClient http({});
  S3Client client(server.alias(), http);
  EXPECT_FALSE(client.get_object("b", "k", {}, [](std::string_view) -> Result<void> { return {}; }));
}

TEST(S3Client, SignsAgainForTheBucketsRegion) {
  ScriptedServer server(
      {answer(400, "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region></Error>"),
       answer(200, "<VersioningConfiguration/>"), answer(200, "<VersioningConfiguration/>")});
  HttpClient http({});
  S3Client client(server.alias(), http);
  EXPECT_EQ(client.versioning("b"), "");
  EXPECT_EQ(client.versioning("b"), "");
  const auto requests = server.requests();
  ASSERT_EQ(requests.size(), 3U);
  EXPECT_NE(requests[0].find("/us-east-1/s3/"), std::string::npos);
  EXPECT_NE(requests[1].find("/eu-west-1/s3/"), std::string::npos);
  EXPECT_NE(requests[2].find("/eu-west-1/s3/"), std::string::npos);
}

TEST(S3Client, FollowsPages) {
  ScriptedServer server(
      {answer(200,
              "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>a/b+</"
              "NextContinuationToken>"
              "<Contents><Key>1</Key></Contents></ListBucketResult>"),
       answer(200, "<ListBucketResult><Contents><Key>2</Key></Contents></ListBucketResult>")});
  HttpClient http({});
  S3Client client(server.alias(), http);
  std::string keys;
  ASSERT_TRUE(client.list_objects({"b", "p/", "/", {}}, [&](const ListPage& page) -> Result<bool> {
    for (const ObjectInfo& object : page.objects) keys += object.key;
    return true;
  }));
  EXPECT_EQ(keys, "12");
  EXPECT_NE(server.requests()[1].find("continuation-token=a%2Fb%2B&delimiter=%2F&"), std::string::npos);
}

TEST(S3Client, CompleteThatFailsAfterItsAnswerBegan) {
  ScriptedServer server({answer(200, "<Error><Code>InvalidPart</Code><Message>part 2</Message></Error>")});
  HttpClient http({});
  S3Client client(server.alias(), http);
  const auto etag = client.complete_upload("b", "k", "u", {{1, 0, "e"}});
  ASSERT_FALSE(etag);
  EXPECT_EQ(etag.error().message(), "part 2 (InvalidPart)");
}

}  // namespace
}  // namespace flashstor::cli
