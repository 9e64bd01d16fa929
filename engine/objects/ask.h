#pragma once

#include <optional>
#include <string>

#include "engine/cluster/set_api.h"
#include "engine/objects/commands.h"

/// How a query is asked in process or over the wire with one piece of code. `Query` has the types Question
/// and Answer, `kKind`, `run(rows, question)`, and encode/decode of both.
namespace flashstor::objects {

template <class Query>
struct Asking {
  const typename Query::Question* question = nullptr;
  std::optional<typename Query::Answer> answer;
};

template <class Query>
Task<Result<void>> run_into(cluster::RowView& rows, Asking<Query>* asking) {
  asking->answer = co_await or_return(Query::run(rows, *asking->question));
  co_return {};
}

template <class Query>
Task<Result<typename Query::Answer>> ask(cluster::SetApi& set, typename Query::Question question) {
  Asking<Query> asking{.question = &question};
  const auto local =
      co_await set.with_rows([to = &asking](cluster::RowView& rows) { return run_into<Query>(rows, to); });
  if (local) co_return std::move(*asking.answer);
  if (local.error().code() != ErrorCode::kNotLeader) co_return std::unexpected(local.error());
  const std::string bytes = co_await or_return(
      set.query(static_cast<cluster::CommandKind>(Query::kKind), Query::encode_question(question)));
  co_return Query::decode_answer(bytes);
}

template <class Query>
Task<Result<std::string>> answer_query(cluster::RowView& rows, std::string_view payload) {
  const auto question = co_await or_return(Query::decode_question(payload));
  const auto answer = co_await or_return(Query::run(rows, question));
  co_return Query::encode_answer(answer);
}

template <class Query>
void register_query(cluster::CommandRegistry& registry) {
  registry.add_query(
      static_cast<cluster::CommandKind>(Query::kKind),
      [](cluster::RowView& rows, std::string_view payload) { return answer_query<Query>(rows, payload); });
}

}  // namespace flashstor::objects
