#include "messages.hpp"

#include <string>

namespace verydeep {

void check(int code) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING];
  int length = 0;
  MPI_Error_string(code, text, &length);
  throw std::runtime_error(std::string(text, static_cast<std::size_t>(length)));
}

MPI_Request* Requests::add() {
  requests_.push_back(MPI_REQUEST_NULL);
  open_++;
  return &requests_.back();
}

bool Requests::done() {
  if (open_ == 0) return true;
  indices_.resize(requests_.size());
  int completed = 0;
  check(MPI_Testsome(static_cast<int>(requests_.size()), requests_.data(), &completed, indices_.data(),
                     MPI_STATUSES_IGNORE));
  if (completed == MPI_UNDEFINED) open_ = 0;
  else open_ -= completed;
  if (open_ > 0) return false;
  requests_.clear();
  return true;
}

}  // namespace verydeep
