variable "project" {
  description = "The id of the Google Cloud project, which exists and has a billing account."
  type        = string
}

variable "region" {
  description = "Where everything is, such as europe-west4."
  type        = string
}

variable "developers" {
  description = "Who works with it, such as group:ml@example.com."
  type        = list(string)
  default     = []
}

variable "image_readers" {
  description = "Who else pulls images, such as the service agents of production's project."
  type        = list(string)
  default     = []
}

variable "budget" {
  description = "Of a month: the billing account, and the amount in its currency; null is no alert."
  type        = object({ billing_account = string, amount = number, currency = string })
  default     = null
}
