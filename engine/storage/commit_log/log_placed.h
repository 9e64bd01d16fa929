#pragma once

#include "engine/storage/commit_log/commit_log.h"

namespace flashstor::storage {

/// A record that the writer put into a batch, to be told to the index once the batch is durable.
struct CommitLog::Placed {
  RecordKind kind{};
  LogRequest* request = nullptr;
  std::size_t item = 0;  ///< Which of the request's records of that kind.
  LogPosition at;        ///< From the start of the batch at first.
  DataPosition data;     ///< Of data and relocations.
};

}  // namespace flashstor::storage
